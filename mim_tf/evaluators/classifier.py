"""The classifier: the reference model of IS and FID. It is no part of MIM-Net.

Dimensions: B batch, S side of the pictures, K classes, D features. Pictures are in [-1, 1].
"""

from __future__ import annotations

import keras
import tensorflow as tf

from mim_tf.evaluators.damsm import small_trunk
from mim_tf.evaluators.inception import inception_v3


class Classifier(keras.Model):
    """Features of a picture, and its class.

    Args:
        encoder: ``small``, or ``inception`` and ``imagenet`` (the same network).
        size: S.
        classes: K.
    """

    def __init__(self, encoder: str, size: int, classes: int) -> None:
        super().__init__()
        self.size = size
        if encoder == "small":
            self.trunk = small_trunk(size)
        else:
            self.trunk = inception_v3(size, count_padding=False)
        self.head = keras.layers.Dense(classes, name="logits")
        self(tf.zeros([1, size, size, 3]))

    def call(self, picture, training=False):
        """``picture`` [B, S, S, 3] -> ``features`` [B, D] and ``logits`` [B, K]."""
        _, features = self.trunk(picture, training=training)
        return {"features": features, "logits": self.head(features)}
