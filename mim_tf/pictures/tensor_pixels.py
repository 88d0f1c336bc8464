"""`pixels` on tensors: what training computes with, and what exported graphs hold.

Dimensions: `B` batch, `H` height, `W` width, `C` channels, `S` the side of the model's square.
"""

from typing import Any

import tensorflow as tf

from mim_tf.pictures.pixels import ALPHA_TOUCHED, FADED, HALF_RANGE, SEEN_LEVELS, SEEN_SHARE


def to_signed(levels: Any) -> tf.Tensor:
    """Map 0..255 (uint8 or float, any shape) to float32 [-1, 1]."""
    return tf.cast(levels, tf.float32) / HALF_RANGE - 1.0


def from_signed(signed: tf.Tensor) -> tf.Tensor:
    """Map [-1, 1] back to 0..255, in floats: what ImageNet's networks subtract their means from."""
    return (signed + 1.0) * HALF_RANGE


def to_uint8(signed: tf.Tensor) -> tf.Tensor:
    """Map [-1, 1] (float, any shape) to uint8, with the values of `pixels.to_uint8`."""
    levels = (tf.cast(signed, tf.float32) + 1.0) * HALF_RANGE
    return tf.cast(tf.round(tf.clip_by_value(levels, 0.0, 255.0)), tf.uint8)


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


def shows(model_input: tf.Tensor, edited: tf.Tensor) -> tf.Tensor:
    """`pixels.shows` of pictures [B, S, S, 3], bool [B]."""
    change = tf.reduce_max(tf.abs(edited - model_input), axis=-1) * HALF_RANGE
    seen = tf.cast(change > SEEN_LEVELS, tf.float32)
    return tf.reduce_mean(seen, axis=(1, 2)) > SEEN_SHARE


def faded(side: tf.Tensor, start: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """`pixels.faded`, of int32 tensors."""
    place = tf.range(tf.cast(side, tf.float32)) + 0.5
    band = FADED * tf.cast(side, tf.float32)
    rising = tf.where(start > 0, place / band, 1.0)
    falling = tf.where(start + side < length, (tf.cast(side, tf.float32) - place) / band, 1.0)
    return tf.minimum(tf.minimum(rising, falling), 1.0)


def add_change(square: Any, model_input: Any, edited: Any, alpha: Any, weight: Any) -> tf.Tensor:
    """The square of `pixels.same_size_composite`; a tensor for `pixels.add_change`.

    Args:
        square: uint8 `[side, side, 3]`, the crop of the original.
        model_input, edited, alpha: as for `pixels.same_size_composite`.
        weight: `[side, side, 1]`, of the change.

    Returns:
        uint8 `[side, side, 3]`.
    """
    side = tf.shape(square)[:2]
    change = (tf.cast(edited, tf.float32) - tf.cast(model_input, tf.float32)) * HALF_RANGE
    change = _resize(change, side, "bicubic") * weight
    touched = _resize(tf.cast(alpha, tf.float32), side, "bilinear") >= ALPHA_TOUCHED
    levels = tf.clip_by_value(tf.cast(square, tf.float32) + change, 0.0, 255.0)
    return tf.where(touched, tf.cast(tf.round(levels), tf.uint8), square)


def _resize(square: tf.Tensor, side: tf.Tensor, method: str) -> tf.Tensor:
    """`[S, S, C]` to `[*side, C]`, float32."""
    return tf.image.resize(square[None], side, method=method, antialias=True)[0]
