"""Targeted edits of clothes on white: the whole garment in a colour that it does not have.

Nobody marked the garments, but product photographs lie on white. The background is what is nearly
white and hangs together with the picture's border; what is worn or shown is the rest. Both are
eroded, so that the soft edge between them counts neither here nor there. Of the rest, the middle
half of its height and width counts as the garment: beyond it lie heads, arms, and the clothes that
are worn with the one that is sold. Both are found in the picture before the edit. Then

* `hit`: most pixels of the garment, each named by its nearest colour, have the colour asked for.
  No mean is taken, for stripes, prints and skin would make most garments grey;
* `background`: mean absolute change of the background.

The twelve colours are those of :data:`mim_tf.pictures.colours.CLOTHES`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from mim_tf.data.source import Source
from mim_tf.data.wording import is_plural, with_article
from mim_tf.metrics import masked_difference
from mim_tf.pictures.colours import CLOTHES, SHOP_COLOURS, commonest_colour
from mim_tf.pictures.segmentation import white_background

_WHITE = 240  # levels from which all three channels are as the background's
_LEAST, _MOST = 0.05, 0.9  # share of the picture that a garment may be
_LEAST_MIDDLE = 0.005  # of the picture, or hardly any garment is left to read
_ERODED = 1 / 32  # of the side, in pixels


def garment(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The middle of the garment, and the background, of a picture on white.

    Args:
        picture: uint8 [S, S, 3].

    Returns:
        Two bool [S, S]; None where the picture does not lie on white, or next to nothing or nearly
        all of it is garment.
    """
    background = white_background(picture, _WHITE)
    if background is None or not _LEAST <= 1 - background.mean() <= _MOST:
        return None
    reach = max(1, round(_ERODED * len(picture)))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))

    def inner(mask: np.ndarray) -> np.ndarray:
        # What lies beyond the border counts as more of the same.
        return cv2.erode(mask.astype(np.uint8), around, borderValue=1) > 0

    inside = _middle(inner(~background))
    return (inside, inner(background)) if inside.mean() >= _LEAST_MIDDLE else None


def _middle(mask: np.ndarray) -> np.ndarray:
    """A mask within the middle half of its height and its width."""
    middle = np.ones_like(mask)
    for axis in (0, 1):
        places = np.flatnonzero(mask.any(axis=1 - axis))
        if not places.size:
            return mask
        first, last = places[0], places[-1] + 1
        margin = (last - first) // 4
        along = np.zeros(mask.shape[axis], bool)
        along[first + margin : last - margin] = True
        middle &= along[:, None] if axis == 0 else along[None, :]
    return mask & middle


def colour_of(picture: np.ndarray, mask: np.ndarray) -> str:
    """The name that most of a mask's pixels have, one of twelve."""
    return commonest_colour(picture[mask], CLOTHES)


def _caption(kind: str, colour: str) -> str:
    phrase = f"{colour} {kind}"
    return phrase if is_plural(kind) else with_article(phrase)


class Clothes:
    """What clothes can be asked for; see :class:`mim_tf.evaluation.targeted.Kind`.

    Args:
        source: product photographs whose classes are kinds of clothes.
    """

    groups: Sequence[str] = tuple(SHOP_COLOURS)
    counted: Sequence[str] = groups
    needs = "a picture must lie on white, and its captions name its class (shirt, jeans)"

    def __init__(self, source: Source) -> None:
        self.source = source

    def wishes(self, index: int, picture: np.ndarray) -> Mapping[str, str]:
        """Caption -> colour, for every colour that the garment does not have."""
        found, kind = garment(picture), self.source.classes[index]
        if found is None or not any(kind in own for own in self.source.captions[index]):
            return {}
        own = colour_of(picture, found[0])
        return {_caption(kind, colour): colour for colour in self.groups if colour != own}

    def group(self, index: int, caption: str) -> str | None:
        """The colour that a caption asks for."""
        kind = self.source.classes[index]
        return next((one for one in self.groups if _caption(kind, one) == caption), None)

    def measure(
        self, index: int, caption: str, before: np.ndarray, after: np.ndarray
    ) -> dict[str, float]:
        """``hit`` and ``background``."""
        found = garment(before)
        if found is None:  # of pairs drawn for another size
            return {"hit": 0.0, "background": math.nan}
        inside, background = found
        return {
            "hit": float(colour_of(after, inside) == self.group(index, caption)),
            "background": masked_difference(before, after, background, math.nan),
        }
