"""Light and shade of a picture, apart from its colours: what an edit should keep.

Dimensions: B batch, H x W picture. Pictures are in [-1, 1].
"""

from __future__ import annotations

from keras import ops

_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, Rec. 601
_DETAIL_WINDOW = 1 / 12  # of the picture's side: finer than a part


def luminance(picture):
    """``picture`` [B, H, W, 3] -> [B, H, W, 1] in [-1, 1]."""
    red, green, blue = ops.split(picture, 3, axis=-1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def detail(picture):
    """Fine detail of the luminance, [B, H, W, 3] -> [B, H, W, 1]: less its local mean."""
    light = luminance(picture)
    return light - _blurred(light, _odd(picture.shape[1] * _DETAIL_WINDOW))


def with_detail(drawn, picture):
    """``drawn`` with the fine detail of the luminance of ``picture`` in place of its own; both
    [B, H, W, 3] in [-1, 1], as the result is."""
    return ops.clip(drawn + detail(picture) - detail(drawn), -1.0, 1.0)


def _odd(size: float) -> int:
    """The nearest odd number, at least 3."""
    return max(3, 2 * round((size - 1) / 2) + 1)


def _blurred(x, window: int):
    """The mean of a square window around each place, of those of its places in the picture."""
    return ops.average_pool(x, window, strides=1, padding="same")
