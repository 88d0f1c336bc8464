"""Parts of a picture in other colours, as if they had been dyed: light, shade and texture stay.

Colours are changed in CIELAB: a place keeps how much lighter or darker it is than the rest of its
part, and gets the hue and chroma of the dye.
"""

from __future__ import annotations

import cv2
import numpy as np

_CONTRAST = 0.8  # of the lightness within a part that is left; a dye evens it out a little
_OWN_HUE = 0.15  # of the variation of hue within a part that is left
_LEAST_LIGHT, _MOST_LIGHT = 0.4, 1.5  # chroma follows lightness within these factors


def dye(picture: np.ndarray, where: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The picture with one part dyed.

    Args:
        picture: uint8 [H, W, 3].
        where: float [H, W] in 0..1, how much each pixel belongs to the part.
        colour: sRGB levels [3] in 0..255, the part's mean colour afterwards.

    Returns:
        uint8 [H, W, 3]; unchanged where ``where`` is 0, and as a whole where it is 0 everywhere.
    """
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not rows.size:
        return picture
    # A part covers little of a picture: only its rows and columns are converted.
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    share, patch = where[part][..., None], picture[part]
    lab = _to_lab(patch)
    target = _to_lab(np.asarray(colour, np.uint8).reshape(1, 1, 3))[0, 0]
    own = lab - (lab * share).sum(axis=(0, 1)) / share.sum()
    light = np.clip(target[0] + _CONTRAST * own[..., :1], 0, 100)
    factor = np.clip(light / max(float(target[0]), 1.0), _LEAST_LIGHT, _MOST_LIGHT)
    hue = target[1:] * factor + _OWN_HUE * own[..., 1:]
    dyed = _from_lab(np.concatenate([light, hue], axis=-1))
    result = picture.copy()
    result[part] = np.clip(np.rint(share * dyed + (1 - share) * patch), 0, 255)
    return result


def _to_lab(picture: np.ndarray) -> np.ndarray:
    """CIELAB (D65), float32 [H, W, 3]: L in 0..100."""
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def _from_lab(lab: np.ndarray) -> np.ndarray:
    """sRGB levels 0..255 as float32 [H, W, 3]."""
    return np.asarray(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)) * 255
