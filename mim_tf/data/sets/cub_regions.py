"""The parts of a bird in a photograph, found around CUB's marked points.

GrabCut tells the bird from what is behind it, and every pixel of the bird belongs to the part whose
point is nearest.
"""

from __future__ import annotations

import numpy as np

from mim_tf.data.bird_wording import GROUPS, PARTS
from mim_tf.data.regions import Regions
from mim_tf.data.sets.cub_captions import agreeing_colours
from mim_tf.data.source import Marks
from mim_tf.pictures.colours import RADIUS_SHARE
from mim_tf.pictures.segmentation import nearest_points, object_mask


def regions_of(picture: np.ndarray, marks: Marks | None) -> Regions:
    """The parts of a bird; none where nothing is marked.

    A part's colour is known where all its points read alike, as in
    :mod:`mim_tf.data.sets.cub_captions`.

    Args:
        picture: uint8 [S, S, 3].
        marks: in its pixels.
    """
    labels = np.zeros(picture.shape[:2], np.uint8)
    if marks is None or not any(marks.points.values()):
        return Regions(labels, PARTS, {}, GROUPS)
    numbered = [
        (1 + PARTS.index(part), place)
        for part, places in marks.points.items()
        if part in PARTS
        for place in places
    ]
    places = [place for _, place in numbered]
    bird = object_mask(picture, places, marks.box)
    part_of_point = np.array([number for number, _ in numbered], np.uint8)
    labels[bird] = part_of_point[nearest_points(picture.shape[:2], places)][bird]
    colours = agreeing_colours(picture, marks.points, RADIUS_SHARE * max(marks.box[2:]))
    return Regions(labels, PARTS, colours, GROUPS)
