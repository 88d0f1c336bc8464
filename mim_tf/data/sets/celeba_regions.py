"""Hair and lips in CelebA's aligned faces.

All faces lie at the same place, so a few ellipses say where hair and lips may be. A network says
which pixels are the person's (:mod:`mim_tf.pictures.people`), GrabCut which of them are hair, and
the lips' redness which of the mouth's are lips. An earlier model of faces knows better than these
rules that taught it; see :mod:`mim_tf.data.sets.celeba_teacher`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mim_tf.data.regions import Regions
from mim_tf.data.sets.celeba_pairs import HAIR, PARTS
from mim_tf.pictures.segmentation import grab_cut

if TYPE_CHECKING:
    from mim_tf.data.sets.celeba_teacher import Teacher

# Centre and half axes as shares of the centred square's side: (x, y), (x, y).
_FACE = (0.5, 0.62), (0.21, 0.27)  # surely skin
_SKIN = (0.5, 0.60), (0.25, 0.35)  # mostly skin
_MOUTH = (0.5, 0.752), (0.13, 0.055)
_REDDER = 4.0  # by which lips at least exceed the face's median a* of CIELAB
_REDDEST = 60  # percentile of a* near the mouth above which the lips lie
_CROWN = 0.27, 0.3  # surely hair: above this row, so far from the middle at most, and no skin
_LEAST_CROWN = 0.015  # of the picture; with less the hair's colours are not known
_SHOULDERS = 0.85  # the row below which clothes are likelier than hair
_CHIN = 0.86, 0.22  # surely neck or clothes: below this row, so far from the middle at most
# Training asks more of alpha where it should be open: it reaches beyond what is as small as lips.
_SURE_LIPS = 0.8
_NO_HAIR = ("Bald", "Wearing_Hat", "Receding_Hairline")


def regions_of(
    picture: np.ndarray,
    attributes: Mapping[str, bool],
    person: np.ndarray,
    teacher: Teacher | None = None,
) -> Regions:
    """Hair and lips of a face.

    Args:
        picture: uint8 [S, S, 3], the centred square of an aligned picture.
        attributes: CelebA's, of the face.
        person: float32 [S, S], how likely a pixel belongs to the person.
        teacher: tells hair and lips; by default the rules of this module do.
    """
    alpha = None if teacher is None else teacher(picture)
    labels = np.zeros(picture.shape[:2], np.uint8)
    colours = {}
    if not any(attributes[name] for name in _NO_HAIR):
        hair = _hair(picture, person) if alpha is None else (alpha["hair"] > 0.5) & (person > 0.5)
        labels[hair] = 1 + PARTS.index("hair")
        named = [colour for colour, (name, _) in HAIR.items() if attributes[name]]
        if len(named) == 1:
            colours["hair"] = named[0]
    lips = _lips(picture) if alpha is None else alpha["lips"] > _SURE_LIPS
    labels[lips] = 1 + PARTS.index("lips")
    return Regions(labels, PARTS, colours, {})


def _lips(picture: np.ndarray) -> np.ndarray:
    """bool [S, S]."""
    face, mouth = (_ellipse(picture.shape[0], *shape) for shape in (_FACE, _MOUTH))
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    redness = cv2.GaussianBlur(lab[..., 1], (0, 0), picture.shape[0] / 100)
    least = np.median(lab[..., 1][face & ~mouth]) + _REDDER
    reddest = float(np.percentile(redness[mouth], _REDDEST))
    return np.asarray(mouth & (redness > max(least, reddest)))


def _hair(picture: np.ndarray, person: np.ndarray) -> np.ndarray:
    """bool [S, S]."""
    side = picture.shape[0]
    rows, columns = _grid(side)
    from_middle = np.abs(columns - 0.5)
    face, skin = _ellipse(side, *_FACE), _ellipse(side, *_SKIN)
    known = np.full((side, side), cv2.GC_PR_FGD, np.uint8)
    known[skin | (rows > _SHOULDERS)] = cv2.GC_PR_BGD
    known[face | ((rows > _CHIN[0]) & (from_middle < _CHIN[1]))] = cv2.GC_BGD
    inside = cv2.erode((person > 0.6).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    crown = inside & ~skin & (rows < _CROWN[0]) & (from_middle < _CROWN[1])
    if crown.mean() < _LEAST_CROWN:
        return np.zeros((side, side), bool)
    known[crown] = cv2.GC_FGD
    outside = person < 0.5
    known[outside] = cv2.GC_BGD
    # What is behind the person shall not teach GrabCut that hair is no hair: it is made skin.
    without_behind = picture.copy()
    without_behind[outside] = picture[face].mean(axis=0)
    return grab_cut(without_behind, known)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels' centres as shares of the side, [size, size] each."""
    middle = (np.arange(size) + 0.5) / size
    rows, columns = np.meshgrid(middle, middle, indexing="ij")
    return rows, columns


def _ellipse(size: int, centre: tuple[float, float], half: tuple[float, float]) -> np.ndarray:
    """bool [size, size]."""
    rows, columns = _grid(size)
    x, y = (columns - centre[0]) / half[0], (rows - centre[1]) / half[1]
    return np.asarray(x**2 + y**2 <= 1)
