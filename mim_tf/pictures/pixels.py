"""Pixels in NumPy: value ranges, crops, resampling, and the composite at a picture's own size.

`tensor_pixels` has the same operations on tensors, for training and for exported graphs; tests
hold the two equal. This module needs NumPy and Pillow alone, so that an edit by LiteRT does
without TensorFlow.

Dimensions: `B` batch, `H` height, `W` width, `C` channels, `S` the side of the model's square.
"Picture" means a NumPy array, uint8 `[H, W, 3]`, RGB; "signed" means float32 in [-1, 1].
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from mim_tf.errors import UserError

HALF_RANGE = 127.5
"""Half of 0..255: a level is `(signed + 1) * HALF_RANGE`."""

ALPHA_TOUCHED = 1.0 / 255.0
"""An alpha below this changes a pixel by at most one level: it counts as not edited at all."""

FADED = 1 / 8
"""Share of the model's square along which a change ends softly where the picture goes on."""

SEEN_LEVELS, SEEN_SHARE = 8, 1 / 2000
"""An edit shows nothing unless more than this share of its pixels changes by more levels."""

STRONGEST = 1.5
"""The largest factor by which an edit's change is scaled."""


def check_strength(strength: Any) -> None:
    """Refuse a factor of an edit's change that is no number from 0 to :data:`STRONGEST`.

    Raises:
        UserError: it is none.
    """
    try:
        fits = not isinstance(strength, str) and 0 <= float(strength) <= STRONGEST  # nan is not
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise UserError(
            f"strength {strength}: give a number from 0 (no change) to {STRONGEST}; 1 is the "
            "model's own"
        )


def strengthened(model_input: Any, edited: Any, strength: Any) -> Any:
    """The edit with its change scaled, in arrays or tensors; exactly `edited` where strength is 1.

    Args:
        model_input, edited: `[..., S, S, 3]` in [-1, 1].
        strength: a number, or one for each picture `[..., 1, 1, 1]`; 0 leaves the picture as it is.

    Returns:
        `[..., S, S, 3]`; above 1, some of it may lie outside of [-1, 1].
    """
    return edited + (strength - 1.0) * (edited - model_input)


def check_picture(picture: np.ndarray) -> None:
    """Raise ValueError unless this is a uint8 picture [H, W, 3]."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f"expected a uint8 picture [H, W, 3], got {picture.dtype} {list(picture.shape)}"
        )


def to_signed(levels: np.ndarray) -> np.ndarray:
    """Map 0..255 (uint8 or float, any shape) to float32 [-1, 1]."""
    signed = np.divide(levels, np.float32(HALF_RANGE), dtype=np.float32)
    return np.subtract(signed, np.float32(1.0), out=signed if signed.ndim else None)


def to_uint8(signed: Any) -> np.ndarray:
    """Map [-1, 1] (array or eager tensor, any shape) to a NumPy uint8 array; halves go to even.

    What lies outside the range is clipped.

    Raises:
        ValueError: a value that is not finite.
    """
    levels = (np.asarray(signed, dtype=np.float32) + np.float32(1.0)) * np.float32(HALF_RANGE)
    if np.isnan(levels).any():
        raise ValueError("the picture holds values that are not finite")
    return np.rint(np.clip(levels, 0.0, 255.0)).astype(np.uint8)


def as_picture(cell: np.ndarray) -> np.ndarray:
    """A picture as it is; a map [H, W] or [H, W, 1], float in [0, 1] or uint8, in grey."""
    cell = np.asarray(cell)
    if cell.ndim == 2:
        cell = cell[:, :, None]
    if cell.ndim == 3 and cell.shape[2] == 1:
        if cell.dtype != np.uint8:
            cell = np.rint(np.clip(np.nan_to_num(cell), 0.0, 1.0) * 255.0).astype(np.uint8)
        cell = cell.repeat(3, axis=2)
    check_picture(cell)
    return cell


def resample(batch: np.ndarray, size: int) -> np.ndarray:
    """Resize float arrays `[B, H, W, C]` to `[B, size, size, C]`, bilinear, antialiased; float32.

    A batch that has the size already comes back with the same values.
    """
    batch = np.asarray(batch, np.float32)
    if batch.shape[1:3] == (size, size):
        return batch
    return np.stack([_resize(item, size, Image.Resampling.BILINEAR) for item in batch])


def _resize(item: np.ndarray, size: int, method: Image.Resampling) -> np.ndarray:
    """`[H, W, C]` to `[size, size, C]`, float32.

    On channels of floats, Pillow's filters are those of `tf.image.resize` with `antialias=True`,
    the same kernels over the same pixel centres; on bytes it would round to whole levels.
    """
    channels = [
        Image.fromarray(np.ascontiguousarray(item[..., channel])).resize((size, size), method)
        for channel in range(item.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def fit(picture: np.ndarray) -> tuple[int, int, int]:
    """The largest centred square of a `[H, W, ...]` picture, as (y, x, side)."""
    height, width = picture.shape[:2]
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side


def square_crop(picture: np.ndarray, crop: tuple[int, int, int] | None = None) -> np.ndarray:
    """The square (y, x, side) of a picture, by default the one that `fit` names; a view."""
    y, x, side = fit(picture) if crop is None else crop
    return picture[y : y + side, x : x + side]


def shows(model_input: np.ndarray, edited: np.ndarray) -> bool:
    """Whether there is anything to see of an edit, both `[S, S, 3]` in [-1, 1]."""
    change = np.abs(np.asarray(edited) - np.asarray(model_input)).max(axis=-1) * HALF_RANGE
    return bool(np.mean(change > SEEN_LEVELS) > SEEN_SHARE)


def faded(side: int, start: int, length: int) -> np.ndarray:
    """How much of a change is left in each row, or column, of a square, float32 `[side]` in 0..1.

    Args:
        start: the square's first row in the picture.
        length: rows of the picture; where it goes on beyond the square, the change ends softly.
    """
    place = np.arange(side, dtype=np.float32) + np.float32(0.5)
    weight = np.ones(side, np.float32)
    if start > 0:
        weight = np.minimum(weight, place / np.float32(FADED * side))
    if start + side < length:
        weight = np.minimum(weight, (side - place) / np.float32(FADED * side))
    return weight


def add_change(
    square: np.ndarray,
    model_input: np.ndarray,
    edited: np.ndarray,
    alpha: np.ndarray,
    weight: np.ndarray,
) -> np.ndarray:
    """The square of `same_size_composite`.

    Args:
        square: uint8 `[side, side, 3]`, the crop of the original.
        model_input, edited, alpha: as for `same_size_composite`.
        weight: `[side, side, 1]`, of the change.

    Returns:
        uint8 `[side, side, 3]`.
    """
    side = square.shape[0]
    change = (np.asarray(edited, np.float32) - np.asarray(model_input, np.float32)) * np.float32(
        HALF_RANGE
    )
    change = _resize(change, side, Image.Resampling.BICUBIC) * weight
    alpha = _resize(np.asarray(alpha, np.float32), side, Image.Resampling.BILINEAR)
    levels = np.clip(square.astype(np.float32) + change, 0.0, 255.0)
    return np.where(alpha >= ALPHA_TOUCHED, np.rint(levels).astype(np.uint8), square)


def same_size_composite(
    original: np.ndarray,
    model_input: np.ndarray,
    edited: np.ndarray,
    alpha: np.ndarray,
    crop: tuple[int, int, int],
    add: Callable[..., Any] = add_change,
) -> np.ndarray:
    """Put the model's change, not its pixels, back into the picture at its own resolution.

    Inside the crop, `out = original + up(edited - model_input)`, so the original's fine detail
    stays; near a side beyond which the picture goes on, the change fades (`faded`). `edited` is the
    model's output, which alpha has already blended with the input: the change is alpha-weighted as
    it is, and alpha serves here to tell what was not edited at all. For a model that does not
    blend, pass an alpha of ones.

    Args:
        original: uint8 `[H, W, 3]`.
        model_input: `[S, S, 3]` in [-1, 1], the crop of the original as the model saw it.
        edited: `[S, S, 3]` in [-1, 1].
        alpha: `[S, S, 1]` in [0, 1].
        crop: (y, x, side), where the model's square lies in the original.
        add: `add_change`, or `tensor_pixels.add_change` for the very pixels of an exported graph.

    Returns:
        uint8 `[H, W, 3]`. Outside the crop, and where the upsampled alpha is below 1/255 (a change
        of at most one level), the bytes are the original's own.
    """
    check_picture(original)
    y, x, side = crop
    height, width = original.shape[:2]
    if side < 1 or y < 0 or x < 0 or y + side > height or x + side > width:
        raise ValueError(f"crop {crop} does not lie in a picture of {height}x{width}")
    result = original.copy()
    inside = square_crop(result, crop)  # a view: writing to it writes to the result
    weight = faded(side, y, height)[:, None, None] * faded(side, x, width)[None, :, None]
    inside[:] = add(inside, model_input, edited, alpha, weight)
    return result
