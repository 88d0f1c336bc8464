"""Where the object of a picture on a plain background is."""

from __future__ import annotations

import cv2
import numpy as np

from mim_tf.data.regions import Regions
from mim_tf.data.sets.folder_captions import OBJECT
from mim_tf.pictures.colours import CLOTHES, commonest_colour
from mim_tf.pictures.segmentation import grab_cut, object_mask, white_background

_WHITE = 235  # levels from which all three channels are as a white background's
_SKIN = ((133, 77), (175, 127))  # levels of Cr and Cb between which skin lies
_LEAST_SKIN = 0.03  # share of what is shown that is skin, or nobody wears it
_UNLIKE_SKIN = 0.4  # share of the middle that may be like skin, or the thing itself is so coloured
_LEAST_WORN = 0.2  # share of what is shown that a worn thing covers
_INNER = 0.08  # of the side, from the border to a box in which any other object lies


def regions_of(picture: np.ndarray) -> Regions:
    """The object: on white all else, but for the person who wears it; on any other background what
    GrabCut finds in the middle.

    Args:
        picture: uint8 [S, S, 3].
    """
    size = picture.shape[0]
    background = white_background(picture, _WHITE)
    if background is not None:
        found = _without_wearer(picture, ~background)
    else:
        margin, middle = _INNER * size, size / 2
        spread = [(middle + dx * size, middle + dy * size)
                  for dx in (-0.12, 0.0, 0.12) for dy in (-0.2, 0.0, 0.2)]  # fmt: skip
        box = (margin, margin, size - 2 * margin, size - 2 * margin)
        found = object_mask(picture, spread, box)
    colours = {OBJECT: commonest_colour(picture[found], CLOTHES)} if found.any() else {}
    return Regions(found.astype(np.uint8), (OBJECT,), colours, {})


def _without_wearer(picture: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """What is shown on white without the head, arms and other clothes of who wears it, as GrabCut
    tells the colours of the middle from those of skin; all of it where nobody seems to.

    Args:
        picture: uint8 [S, S, 3].
        shown: bool [S, S].
    """
    if not shown.any():
        return shown
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    skin = shown & ((luma[..., 1:] >= _SKIN[0]) & (luma[..., 1:] <= _SKIN[1])).all(axis=-1)
    middle = np.zeros_like(shown)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    middle[
        rows[0] + 2 * height // 5 : rows[0] + 3 * height // 5 + 1,
        columns[0] + 2 * width // 5 : columns[0] + 3 * width // 5 + 1,
    ] = True
    middle &= shown
    outside = skin & ~middle
    if (
        not middle.any()
        or outside.sum() < _LEAST_SKIN * shown.sum()
        or skin[middle].mean() > _UNLIKE_SKIN
    ):
        return shown
    known = np.where(shown, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    known[outside] = cv2.GC_BGD
    known[middle] = cv2.GC_FGD
    # The white behind must not count as a colour that the thing cannot have.
    painted = np.where(shown[..., None], picture, np.median(picture[outside], axis=0))
    found = grab_cut(painted.astype(np.uint8), known) & shown
    return found if found.sum() > _LEAST_WORN * shown.sum() else shown
