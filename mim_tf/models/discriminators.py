"""The two discriminators of Sec. 3.5.1: D_I (reality, Eq. 12) and D_T (text, Eq. 13).

Dimensions: B batch, T words (padded), S picture size, K features. Pictures are in [-1, 1].
"""

from __future__ import annotations

import math

import keras
from keras import ops

from mim_tf.config import ModelConfig
from mim_tf.models.encoders import TextEncoder, word_mask
from mim_tf.models.layers import Network, activate, computing_in, conv
from mim_tf.text import WordVectors


class Trunk(Network):
    """f of Eq. 12 and 13: halvings down to 4 x 4, then a vector.

    Args:
        size: S, at least 8.
        channels: width of the first layer; each halving adds as much.
        features: K.
    """

    def __init__(self, size: int, channels: int, features: int, **kwargs) -> None:
        super().__init__(**kwargs)
        halvings = max(1, int(math.log2(size)) - 2)
        widths = [min(channels * (step + 1), 8 * channels) for step in range(halvings)]
        self.convolutions = [conv(width, 4, strides=2) for width in widths]
        self.out = keras.layers.Dense(features)

    def call(self, picture, training=False):
        """``picture`` [B, S, S, 3] -> [B, K] in float32."""
        x = picture
        for layer in self.convolutions:
            x = activate(layer(x))
        flat = ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))
        return ops.cast(self.out(flat), "float32")


class D_I(Network):  # noqa: N801 - the paper's name
    """Reality discriminator, Eq. 12, before its sigmoid.

    Args:
        model: ``discriminator_channels``.
        size: S.
        precision: of f, see :func:`mim_tf.models.layers.computing_in`.
    """

    def __init__(self, model: ModelConfig, size: int, precision: str = "float32", **kwargs) -> None:
        super().__init__(**kwargs)
        with computing_in(precision):
            self.f = Trunk(size, model.discriminator_channels, 1)

    def call(self, picture, training=False):
        """``picture`` [B, S, S, 3] -> logit [B]."""
        return self.f(picture, training=training)[:, 0]


class D_T(Network):  # noqa: N801 - the paper's name
    """Text-conformity discriminator, Eq. 13, as ``log D_T``.

    A weighted geometric mean with one probability a word, computed as a sum of logarithms.

    Args:
        model: ``discriminator_channels``, and what the text encoder takes.
        size: S.
        vocabulary_size, vectors: as for :class:`TextEncoder`.
        precision: of f; captions and logarithms are float32 in every one.
    """

    def __init__(
        self,
        model: ModelConfig,
        size: int,
        vocabulary_size: int,
        vectors: WordVectors | None = None,
        precision: str = "float32",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        with computing_in(precision):
            self.f = Trunk(size, model.discriminator_channels, model.text_dim)
        self.text_encoder = TextEncoder(model, vocabulary_size, vectors)
        self.w = keras.layers.Dense(model.text_dim, name="W")
        self.b = keras.layers.Dense(1, name="b")

    def call(self, inputs, training=False):
        """``picture`` [B, S, S, 3] and ``tokens`` [B, T] -> ``log D_T`` [B], at most 0."""
        feature = self.f(inputs["picture"], training=training)
        return self.judge(feature, inputs["tokens"], training=training)

    def judge(self, feature, tokens, training=False):
        """``feature`` f(I) [B, K] and ``tokens`` [B, T] -> ``log D_T`` [B]; for several captions of
        a picture, whose f(I) is computed once."""
        mask = word_mask(tokens)
        h = self.text_encoder(tokens, training=training)  # [B, T, d], padded rows zero
        count = ops.sum(mask, axis=1, keepdims=True)
        mean = ops.sum(h, axis=1) / count
        similarity = ops.sum(h * mean[:, None, :], axis=-1)  # [B, T]
        weights = ops.softmax(similarity - 1e9 * (1 - mask), axis=-1)  # alpha_i of Eq. 13
        score = ops.sum(self.w(h) * feature[:, None, :], axis=-1) + self.b(h)[..., 0]
        return ops.sum(weights * ops.log_sigmoid(score), axis=-1)
