"""Texture perturbation for the reconstruction stage: pictures whose colours only a caption knows.

Deviation: the paper reconstructs from the picture itself, which copying does best.
"""

from __future__ import annotations

import math

import tensorflow as tf

_STEEPNESS = 2.0  # radians for a step of 1 in a colour, of a cube of side 2
_TOLERANCE = 0.7  # colours nearer than this, of a cube of side 2, belong to one region
_SHADE = 0.3  # at most this much of light and dark is kept
_REACH = (0.2, 0.5)  # radius of a region, of the picture's side
_LARGEST = 0.12  # share of the picture; what would take more is background and left alone
_SPREAD = 0.22  # of the points about the picture's centre, where objects are


def random_waves(batch: int, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Random waves ``sin(c A + b)`` to send colours through, one a sample: see ``Generator.see``.

    What is alike still looks alike, so shapes remain; but no colour says what it was. (A rotation
    of the colour space would: a network reads it off a blue sky and turns everything back.)

    Args:
        batch: B, static.
        seed: int64 [2], for stateless draws.

    Returns:
        ``matrix`` [B, 3, 3] and ``phase`` [B, 3].
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    return {
        "matrix": tf.random.stateless_normal([batch, 3, 3], seeds[0], stddev=_STEEPNESS),
        "phase": tf.random.stateless_uniform([batch, 3], seeds[1], 0.0, 2 * math.pi),
    }


def recolour_regions(pictures: tf.Tensor, regions: int, seed: tf.Tensor) -> tf.Tensor:
    """Paint some regions in another picture's colour, each grown around a random point.

    A region takes in what is near the point in the picture and near its colour, so it mostly
    follows an object's parts. Light and dark are kept, the hue is not; the paint runs a little
    over the region's rim, for a rim of the old colour would tell it. The new colour is that of a
    random point of the next picture, so that no colour looks out of place.

    Args:
        pictures: [B, S, S, 3] in [-1, 1], B and S static.
        regions: how many a picture, one after the other.
        seed: int64 [2], for stateless draws.

    Returns:
        [B, S, S, 3] in [-1, 1].
    """
    batch, size = pictures.shape[0], pictures.shape[1]
    line = (tf.range(size, dtype=tf.float32) + 0.5) / size
    donors = tf.roll(pictures, 1, axis=0)
    rim = max(1, size // 64)
    for region in range(regions):
        seeds = tf.random.experimental.stateless_split(
            tf.random.experimental.stateless_fold_in(seed, region), 3
        )
        centre = 0.5 + _SPREAD * tf.random.stateless_truncated_normal([batch, 2], seeds[0])
        reach = tf.random.stateless_uniform([batch, 1, 1], seeds[1], *_REACH)
        elsewhere = 0.5 + _SPREAD * tf.random.stateless_truncated_normal([batch, 2], seeds[2])
        own, colour = _at(pictures, centre), _at(donors, elsewhere)
        away_y = tf.square(line[None, :, None] - centre[:, 0, None, None])
        away_x = tf.square(line[None, None, :] - centre[:, 1, None, None])
        near = tf.sqrt(away_y + away_x) < reach
        alike = tf.norm(pictures - own, axis=-1) < _TOLERANCE
        mask = tf.cast(near & alike, tf.float32)[..., None]
        small = tf.reduce_mean(mask, axis=[1, 2, 3], keepdims=True) <= _LARGEST
        mask = _cover(mask * tf.cast(small, tf.float32), rim)
        light = tf.reduce_mean(pictures - own, axis=-1, keepdims=True)
        paint = colour + tf.clip_by_value(light, -_SHADE, _SHADE)
        pictures = tf.clip_by_value(pictures + mask * (paint - pictures), -1.0, 1.0)
    return pictures


def _cover(mask: tf.Tensor, rim: int) -> tf.Tensor:
    """Fill gaps up to four rims wide, and grow by one rim: old colours must not shine through."""
    mask = tf.nn.max_pool2d(mask, 4 * rim + 1, 1, "SAME")
    return -tf.nn.max_pool2d(-mask, 2 * rim + 1, 1, "SAME")


def _at(pictures: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Colours [B, 1, 1, 3] at the places [B, 2], which are shares of height and width."""
    index = tf.cast(places * pictures.shape[1], tf.int32)
    return tf.gather_nd(pictures, index, batch_dims=1)[:, None, None, :]
