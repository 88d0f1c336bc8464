"""Texture perturbation for the reconstruction stage: pictures whose colours only a caption knows.

Deviation: the paper reconstructs from the picture itself, which copying does best.
"""

from __future__ import annotations

import tensorflow as tf

_TOLERANCE = 0.5  # colours nearer than this, of a cube of side 2, belong to one region
_SOFTNESS = 0.1
_REACH = (0.15, 0.45)  # radius of a region, of the picture's side
_SPREAD = 0.22  # of the seeds about the picture's centre, where objects are


def recolour_regions(pictures: tf.Tensor, regions: int, seed: tf.Tensor) -> tf.Tensor:
    """Shift the colour of some regions, each grown around a random point by likeness of colour.

    A region takes in what is near the point in the picture and near its colour, so it mostly
    follows an object's parts. Shading and texture are kept: every pixel is shifted alike.

    Args:
        pictures: [B, S, S, 3] in [-1, 1], B and S static.
        regions: how many a picture, one after the other.
        seed: int64 [2], for stateless draws.

    Returns:
        [B, S, S, 3] in [-1, 1].
    """
    batch, size = pictures.shape[0], pictures.shape[1]
    line = (tf.range(size, dtype=tf.float32) + 0.5) / size
    for region in range(regions):
        seeds = tf.random.experimental.stateless_split(
            tf.random.experimental.stateless_fold_in(seed, region), 3
        )
        centre = 0.5 + _SPREAD * tf.random.stateless_truncated_normal([batch, 2], seeds[0])
        reach = tf.random.stateless_uniform([batch, 1, 1], seeds[1], *_REACH)
        colour = tf.random.stateless_uniform([batch, 1, 1, 3], seeds[2], -1.0, 1.0)
        place = tf.cast(centre * size, tf.int32)
        own = tf.gather_nd(pictures, place, batch_dims=1)[:, None, None, :]
        near_y = tf.square(line[None, :, None] - centre[:, 0, None, None])
        near_x = tf.square(line[None, None, :] - centre[:, 1, None, None])
        distance = tf.norm(pictures - own, axis=-1)
        likeness = tf.sigmoid((_TOLERANCE - distance) / _SOFTNESS)
        nearness = tf.sigmoid((reach - tf.sqrt(near_y + near_x)) / 0.03)
        mask = (likeness * nearness)[..., None]
        pictures = tf.clip_by_value(pictures + mask * (colour - own), -1.0, 1.0)
    return pictures
