"""Pixels: value ranges, crops, resampling, and the composite at a picture's own resolution.

TensorFlow resamples, so that an exported graph can hold the very same operations.

Dimensions: `B` batch, `H` height, `W` width, `C` channels, `S` the side of the model's square.
"Picture" means a NumPy array, uint8 `[H, W, 3]`, RGB; "signed" means float32 in [-1, 1].
"""

from typing import Any

import numpy as np
import tensorflow as tf

_HALF_RANGE = 127.5


def check_picture(picture: np.ndarray) -> None:
    """Raise ValueError unless this is a uint8 picture [H, W, 3]."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f"expected a uint8 picture [H, W, 3], got {picture.dtype} {list(picture.shape)}"
        )


def to_signed(x: Any) -> Any:
    """Map 0..255 (uint8 or float, any shape) to float32 [-1, 1].

    A NumPy array gives a NumPy array, a tensor a tensor, in a graph too. The same values.
    """
    if isinstance(x, np.ndarray):
        signed = np.divide(x, np.float32(_HALF_RANGE), dtype=np.float32)
        return np.subtract(signed, np.float32(1.0), out=signed if signed.ndim else None)
    return tf.cast(x, tf.float32) / _HALF_RANGE - 1.0


def from_signed(x: tf.Tensor) -> tf.Tensor:
    """Map [-1, 1] back to 0..255, in floats: what ImageNet's networks subtract their means from."""
    return (x + 1.0) * _HALF_RANGE


def to_uint8(x: Any) -> np.ndarray:
    """Map [-1, 1] (array or eager tensor, any shape) to a NumPy uint8 array; halves go to even.

    What lies outside the range is clipped. In a graph use `to_uint8_tensor`, which rounds alike.

    Raises:
        ValueError: a value that is not finite.
    """
    levels = (np.asarray(x, dtype=np.float32) + np.float32(1.0)) * np.float32(_HALF_RANGE)
    if np.isnan(levels).any():
        raise ValueError("the picture holds values that are not finite")
    return np.rint(np.clip(levels, 0.0, 255.0)).astype(np.uint8)


def to_uint8_tensor(x: tf.Tensor) -> tf.Tensor:
    """`to_uint8` for graphs: a float tensor in [-1, 1] to a uint8 tensor, with the same values."""
    levels = (tf.cast(x, tf.float32) + 1.0) * _HALF_RANGE
    return tf.cast(tf.round(tf.clip_by_value(levels, 0.0, 255.0)), tf.uint8)


def as_picture(cell: np.ndarray) -> np.ndarray:
    """A picture as it is; a map as a grey picture."""
    cell = np.asarray(cell)
    if cell.ndim == 2:
        cell = cell[:, :, None]
    if cell.ndim == 3 and cell.shape[2] == 1:
        if cell.dtype != np.uint8:
            cell = np.rint(np.clip(np.nan_to_num(cell), 0.0, 1.0) * 255.0).astype(np.uint8)
        cell = cell.repeat(3, axis=2)
    check_picture(cell)
    return cell


def resample(batch: Any, size: int | tuple[int, int]) -> tf.Tensor:
    """Resize float pictures `[B, H, W, C]` to `[B, *size, C]`, bilinear, antialiased; float32.

    A batch that has the size already comes back with the same values.

    Args:
        size: (height, width), or one number for both.
    """
    batch = tf.cast(batch, tf.float32)
    target = (size, size) if isinstance(size, int) else (size[0], size[1])
    if tuple(batch.shape[1:3]) == target:
        return batch
    return tf.image.resize(batch, target, method="bilinear", antialias=True)


def fit(picture: np.ndarray) -> tuple[int, int, int]:
    """The largest centred square of a `[H, W, ...]` picture, as (y, x, side)."""
    height, width = picture.shape[:2]
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side


def square_crop(picture: np.ndarray, crop: tuple[int, int, int] | None = None) -> np.ndarray:
    """The square (y, x, side) of a picture, by default the one that `fit` names; a view."""
    y, x, side = fit(picture) if crop is None else crop
    return picture[y : y + side, x : x + side]


def same_size_composite(
    original: np.ndarray,
    model_input: np.ndarray,
    edited: np.ndarray,
    alpha: np.ndarray,
    crop: tuple[int, int, int],
) -> np.ndarray:
    """Put the model's change, not its pixels, back into the picture at its own resolution.

    Inside the crop, `out = original + up(edited - model_input)`, so the original's fine detail
    stays. `edited` is the model's output, which alpha has already blended with the input: the
    change is alpha-weighted as it is, and alpha serves here to tell what was not edited at all.
    For a model that does not blend, pass an alpha of ones.

    Args:
        original: uint8 `[H, W, 3]`.
        model_input: `[S, S, 3]` in [-1, 1], the crop of the original as the model saw it.
        edited: `[S, S, 3]` in [-1, 1].
        alpha: `[S, S, 1]` in [0, 1].
        crop: (y, x, side), where the model's square lies in the original.

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
    inside[:] = add_change(inside, model_input, edited, alpha).numpy()
    return result


def add_change(square: Any, model_input: Any, edited: Any, alpha: Any) -> tf.Tensor:
    """The square of `same_size_composite`, for graphs too.

    Args:
        square: uint8 `[side, side, 3]`, the crop of the original.
        model_input, edited, alpha: as for `same_size_composite`.

    Returns:
        uint8 `[side, side, 3]`.
    """
    side = tf.shape(square)[:2]
    change = (tf.cast(edited, tf.float32) - tf.cast(model_input, tf.float32)) * _HALF_RANGE
    change = _resample_square(change, side, "bicubic")
    touched = _resample_square(tf.cast(alpha, tf.float32), side, "bilinear") >= 1.0 / 255.0
    levels = tf.clip_by_value(tf.cast(square, tf.float32) + change, 0.0, 255.0)
    return tf.where(touched, tf.cast(tf.round(levels), tf.uint8), square)


def _resample_square(square: tf.Tensor, side: tf.Tensor, method: str) -> tf.Tensor:
    """`[S, S, C]` to `[*side, C]`, float32."""
    return tf.image.resize(square[None], side, method=method, antialias=True)[0]
