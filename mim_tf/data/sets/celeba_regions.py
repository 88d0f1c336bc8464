"""Hair and lips in CelebA's aligned faces.

All faces lie at the same place, so a few ellipses say where hair and lips may be, and GrabCut and
the lips' redness say which pixels they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from mim_tf.data.regions import Regions
from mim_tf.data.sets.celeba_pairs import HAIR, PARTS
from mim_tf.pictures.segmentation import grab_cut

# Centre and half axes as shares of the centred square's side: (x, y), (x, y).
_FACE = (0.5, 0.60), (0.22, 0.30)  # surely skin
_HEAD = (0.5, 0.50), (0.46, 0.52)  # hair does not reach beyond it, or not for sure
_CROWN = (0.5, 0.16), (0.2, 0.07)  # surely hair, unless the forehead is high
_AROUND = (0.5, 0.58), (0.48, 0.58)  # beyond it, above the eyes, is surely no hair
_EYES = 0.36
_MOUTH = (0.5, 0.752), (0.13, 0.055)
_REDDER = 4.0  # by which lips at least exceed the face's median a* of CIELAB
_REDDEST = 60  # percentile of a* near the mouth above which the lips lie
_LEAST_HAIR = 0.08  # of the picture; of less, GrabCut found what it was given and no more
_NO_HAIR = ("Bald", "Wearing_Hat", "Receding_Hairline")


def regions_of(picture: np.ndarray, attributes: Mapping[str, bool]) -> Regions:
    """Hair and lips of a face.

    Args:
        picture: uint8 [S, S, 3], the centred square of an aligned picture.
        attributes: CelebA's, of the face.
    """
    labels = np.zeros(picture.shape[:2], np.uint8)
    face, head, crown, around, mouth = (
        _ellipse(picture.shape[0], *shape) for shape in (_FACE, _HEAD, _CROWN, _AROUND, _MOUTH)
    )
    colours = {}
    if not any(attributes[name] for name in _NO_HAIR):
        known = np.full(labels.shape, cv2.GC_PR_BGD, np.uint8)
        known[head] = cv2.GC_PR_FGD
        above = np.arange(picture.shape[0])[:, None] < _EYES * picture.shape[0]
        known[face | (above & ~around)] = cv2.GC_BGD
        known[crown] = cv2.GC_FGD
        hair = grab_cut(picture, known) & ~face
        if hair.mean() > _LEAST_HAIR:
            labels[hair] = 1 + PARTS.index("hair")
        named = [colour for colour, (name, _) in HAIR.items() if attributes[name]]
        if len(named) == 1:
            colours["hair"] = named[0]
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    redness = cv2.GaussianBlur(lab[..., 1], (0, 0), picture.shape[0] / 100)
    least = np.median(lab[..., 1][face & ~mouth]) + _REDDER
    lips = mouth & (redness > max(least, float(np.percentile(redness[mouth], _REDDEST))))
    labels[lips] = 1 + PARTS.index("lips")
    return Regions(labels, PARTS, colours, {})


def _ellipse(size: int, centre: tuple[float, float], half: tuple[float, float]) -> np.ndarray:
    """bool [size, size]."""
    rows, columns = (np.arange(size)[:, None] + 0.5) / size, (np.arange(size)[None] + 0.5) / size
    x, y = (columns - centre[0]) / half[0], (rows - centre[1]) / half[1]
    return np.asarray(x**2 + y**2 <= 1)
