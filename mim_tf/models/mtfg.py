"""MTFG, Sec. 3.1: the memory that turns words into texture features.

Dimensions: B batch, T words (padded), n memories, d text features, l texture channels.
"""

from __future__ import annotations

import keras
from keras import ops

from mim_tf.config import ModelConfig
from mim_tf.models.layers import Network


class MTFG(Network):
    """Memory-based Texture Feature Generation, Sec. 3.1, Eq. 1 to 3.

    Args:
        model: n (``slots``), d (``text_dim``); with ``memory`` off it is the paper's baseline,
            ``h^_i = W h_i`` with no memory at all.
        channels: l; Eq. 7 mixes memories with image features, so it must be theirs.
    """

    def __init__(self, model: ModelConfig, channels: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        if model.memory:
            self.without = None
            self.key = keras.layers.Dense(model.text_dim, use_bias=False, name="W")
            self.memory = self.add_weight(
                shape=(model.slots, channels),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
                name="memory",
            )  # Eq. 1
        else:
            self.without = keras.layers.Dense(channels, name="baseline")
            self.memory = None

    def attend(self, h):
        """Eq. 2: ``h`` [B, T, d] -> ``a`` [B, T, n], each row summing to 1."""
        keys = self.key(self.memory)  # [n, d]
        return ops.softmax(ops.matmul(h, ops.transpose(keys)), axis=-1)

    def read(self, a):
        """Eq. 3: ``a`` [B, T, n] -> ``h^`` [B, T, l]."""
        return ops.matmul(a, self.memory)

    def call(self, h, training=False):
        """``h`` [B, T, d] -> ``h_hat`` [B, T, l] and ``attention`` [B, T, n] (n = 1 without)."""
        if self.without is not None:
            return {"h_hat": self.without(h), "attention": ops.ones_like(h[..., :1])}
        a = self.attend(h)
        return {"h_hat": self.read(a), "attention": a}
