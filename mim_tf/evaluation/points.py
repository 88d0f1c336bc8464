"""Edits of photographs whose true result nobody knows: birds with marked points and a box.

A caption asks one part of a bird for a colour that none of its points has (`may_ask`). Then

* `hit`: the colour nearest to the mean around one of the part's points is the one asked for;
* `kept`: mean absolute change around the points of the other parts;
* `outside`: mean absolute change outside the bird's box.

An untouched copy hits nothing and changes nothing. Colours are named as in
:mod:`mim_tf.pictures.colours`: the nearest of eleven in CIELAB, lightness at half weight, to the
mean of sRGB levels in a disc. Points and boxes measure here; they never reach the model.

All coordinates are pixels of the pictures given, so points and box must have gone through the crop
and the scaling that the picture went through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mim_tf.metrics import masked_difference
from mim_tf.pictures.colours import RADIUS_SHARE, colour_at, disc

ASKED_PARTS = ("crown", "belly", "wings", "tail", "throat", "back", "breast")
"""Parts of CUB's birds that a caption may ask for."""

Point = tuple[float, float]
"""(x, y) in pixels."""
Box = tuple[float, float, float, float]
"""(x, y, width, height) in pixels."""


def radius_of(box: Box) -> float:
    """The radius, in pixels, in which colours are read and changes are measured."""
    return RADIUS_SHARE * max(box[2:])


def may_ask(picture: np.ndarray, places: Sequence[Point], colour: str, radius: float) -> bool:
    """Whether a part has points in the picture, none of which has the colour already.

    Args:
        picture: uint8 `[H, W, 3]`, before the edit.
        places: the part's visible points.
        colour: a name in :data:`mim_tf.pictures.colours.COLOURS`.
        radius: in pixels.
    """
    found = [colour_at(picture, place, radius) for place in places]
    return any(name is not None for name in found) and colour not in found


def hit(after: np.ndarray, places: Sequence[Point], colour: str, radius: float) -> bool:
    """Whether the mean around at least one of the part's points has the colour asked for.

    Args:
        after: uint8 `[H, W, 3]`, the edit.
        places, colour, radius: as for `may_ask`.
    """
    return any(colour_at(after, place, radius) == colour for place in places)


def kept(
    before: np.ndarray,
    after: np.ndarray,
    points: Mapping[str, Sequence[Point]],
    part: str,
    radius: float,
) -> float:
    """Mean absolute change, of 1.0, of the pixels in the discs of the parts not asked for.

    A pixel in several discs counts once. One that lies in a disc of the asked part as well is left
    out: there the change is what was asked for.

    Args:
        before, after: uint8 `[H, W, 3]`.
        points: part -> its visible points.
        part: the one that was asked for.

    Returns:
        0 is best; NaN where no such pixel is left.
    """
    others = [place for name, places in points.items() if name != part for place in places]
    own = _discs(before, points.get(part, ()), radius)
    return masked_difference(before, after, _discs(before, others, radius) & ~own, math.nan)


def outside(before: np.ndarray, after: np.ndarray, box: Box) -> float:
    """Mean absolute change, of 1.0, of the pixels whose centres lie outside the box.

    Args:
        before, after: uint8 `[H, W, 3]`.

    Returns:
        0 is best; NaN where the box covers the picture.
    """
    height, width = before.shape[:2]
    x, y, box_width, box_height = box
    columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
    across = (columns >= x) & (columns <= x + box_width)
    down = (rows >= y) & (rows <= y + box_height)
    return masked_difference(before, after, ~(down[:, None] & across[None, :]), math.nan)


def _discs(picture: np.ndarray, places: Sequence[Point], radius: float) -> np.ndarray:
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), bool)
    for place in places:
        mask |= disc(height, width, place, radius)
    return mask
