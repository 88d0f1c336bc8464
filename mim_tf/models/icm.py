"""ICM and its parts, Sec. 3.2 and 3.3: where the caption's texture goes, and the coarse picture.

Dimensions: B batch, T words (padded), l texture channels, N x M feature map, C coarse size.
"""

from __future__ import annotations

import keras
from keras import ops

from mim_tf.config import Deviations, ModelConfig
from mim_tf.models.layers import (
    Network,
    Residual,
    activate,
    conv,
    output_initializer,
    resize,
    texture_initializer,
)

_GATE_OFFSET = 3.0  # subtracted from a word gate's logit: sigmoid(-3) is a twentieth
_GATE_FLOOR = 0.25  # added to the sum of the gates at a place, see ICM


class TLU(Network):
    """Target Localization Unit, Sec. 3.3, Eq. 9.

    Args:
        channels: l.
        deviations: with ``tlu_affine``, the logit has a learned slope, from 1 / sqrt(l), and a
            learned offset, from 0. Deviation: the paper's bare ``sigmoid(v^c . h-)`` starts
            saturated, and where it starts below zero it stays closed; later it is 1/2 wherever the
            two have nothing to do with each other.
    """

    def __init__(self, channels: int, deviations: Deviations, **kwargs) -> None:
        super().__init__(**kwargs)
        affine = deviations.tlu_affine
        start = keras.initializers.Constant(channels**-0.5 if affine else 1.0)
        self.slope = self.add_weight(shape=(), initializer=start, trainable=affine, name="slope")
        self.offset = self.add_weight(
            shape=(), initializer="zeros", trainable=affine, name="offset"
        )

    def call(self, inputs, training=False):
        """``v_c`` [B, N, M, l] and ``h_bar`` [B, l] -> the logit of alpha [B, N, M, 1]."""
        h_bar = inputs["h_bar"][:, None, None, :]
        return self.slope * ops.sum(inputs["v_c"] * h_bar, axis=-1, keepdims=True) + self.offset


class WordGate(Network):
    """Which places each word speaks of: Eq. 10's gate, one stage early and on ``v^b``.

    Deviation: the paper's ICM is given the average ``h-`` alone, which does not say which colour
    belongs to which part. A word speaks of few places only, so the gates start almost closed: then
    a gate divided by its sum over the picture behaves like a softmax over the places. Where all
    gates of a word are fully open or fully closed, they tell no place from another.

    Args:
        channels: l.
    """

    def __init__(self, channels: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.query = conv(channels, 1, use_bias=False, name="W_q")
        self.scale = channels**-0.5

    def call(self, inputs, training=False):
        """``v_b`` [B, N, M, l] and ``h_hat`` [B, T, l] -> gates in 0..1, [B, NM, T]."""
        return self.gates(self.logits(inputs["v_b"], inputs["h_hat"]))

    @staticmethod
    def gates(logits):
        """Gates in 0..1 of their logits, of any shape."""
        return ops.sigmoid(WordGate.shifted(logits))

    @staticmethod
    def shifted(logits):
        """What the sigmoid of the gates is taken of: logits less the offset."""
        return logits - _GATE_OFFSET

    def logits(self, v_b, h_hat):
        """``v_b`` [B, N, M, l] and ``h_hat`` [B, T, l] -> [B, NM, T], before the offset."""
        return ops.matmul(self._queries(v_b), ops.transpose(h_hat, (0, 2, 1)))

    def logits_of_all_pairs(self, v_b, h_hat):
        """Every picture against every caption: [B, N, M, l] and [J, T, l] -> [B, NM, J, T]."""
        captions, words, channels = h_hat.shape
        logits = ops.matmul(
            self._queries(v_b), ops.transpose(ops.reshape(h_hat, (captions * words, channels)))
        )
        return ops.reshape(logits, (-1, logits.shape[1], captions, words))

    def _queries(self, v_b):
        """[B, N, M, l] -> [B, NM, l], to be multiplied with words."""
        _, height, width, channels = v_b.shape
        return ops.reshape(self.query(v_b), (-1, height * width, channels)) * self.scale


class ICM(Network):
    """Initial Coarse Manipulation, Sec. 3.2, Eq. 5 to 8.

    Args:
        model: C (``coarse_size``), the width of Dec_c; with ``tlu`` off, ``v^c`` and ``v^i`` are
            mixed half and half and alpha counts as 1 (the paper's ablation).
        deviations: ``fuse`` off leaves ``v^i`` out of Eq. 7. Deviation: with ``v^i`` the decoder
            learns to paint the old colours long before it learns the words; composition keeps the
            background as well. ``word_gates``: Eq. 5 takes at each place the texture of the words
            that speak of it, see :class:`WordGate`. ``tlu_affine``: see :class:`TLU`.
        channels: l.
    """

    def __init__(self, model: ModelConfig, deviations: Deviations, channels: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.size, self.fuse = model.coarse_size, deviations.fuse
        self.gate = WordGate(channels) if deviations.word_gates else None
        self.w_v = conv(channels, 1, name="W_v")
        self.w_h = keras.layers.Dense(
            channels, use_bias=False, kernel_initializer=texture_initializer(), name="W_h"
        )
        self.f_r = Residual(channels, name="f_r")
        self.tlu = TLU(channels, deviations) if model.tlu else None
        width = model.decoder_channels
        self.decode_in = conv(width, name="Dec_c_in")
        self.decode_mid = Residual(width, name="Dec_c_mid")
        self.decode_out = conv(3, kernel_initializer=output_initializer(), name="Dec_c_out")

    def call(self, inputs, training=False):
        """The coarse edit.

        Args:
            inputs: ``v_b`` [B, N, M, l], ``h_bar`` [B, l], ``h_hat`` [B, T, l], ``mask`` [B, T]
                and, with ``fuse`` or without TLU, ``v_i`` [B, N, M, l].

        Returns:
            ``v_u`` [B, C, C, l], ``logit`` of alpha [B, N, M, 1] (None without TLU) and the drawn
            picture ``drawn`` [B, C, C, 3]; the last two in float32.
        """
        h_bar = inputs["h_bar"]
        # Eq. 5 as two projections: W_r [v^b, h-] = W_v v^b + W_h h-.
        v = self.w_v(inputs["v_b"]) + self.w_h(self.texture(inputs))
        v_c = self.f_r(v)  # Eq. 6
        if self.tlu is None:
            logit, fused = None, (v_c + inputs["v_i"]) / 2
        else:
            logit = self.tlu({"v_c": v_c, "h_bar": h_bar}, training=training)  # Eq. 9
            alpha = ops.sigmoid(logit)
            fused = alpha * v_c + (1 - alpha) * inputs["v_i"] if self.fuse else v_c
        v_u = resize(fused, self.size)  # Eq. 7
        x = self.decode_mid(self.decode_in(activate(v_u)))
        drawn = ops.tanh(self.decode_out(activate(x)))  # Eq. 8
        logit = None if logit is None else ops.cast(logit, "float32")
        return {"v_u": v_u, "logit": logit, "drawn": ops.cast(drawn, "float32")}

    def texture(self, inputs):
        """What Eq. 5 takes for the caption's texture, from ``inputs`` as in :meth:`call`.

        Returns:
            ``h-`` [B, 1, 1, l]; with word gates [B, N, M, l], at each place the mean of ``h^``
            weighted by the gates. The floor in the denominator makes it small where no word's gate
            is open.
        """
        if self.gate is None:
            return inputs["h_bar"][:, None, None, :]
        v_b, h_hat = inputs["v_b"], inputs["h_hat"]
        gate = self.gate({"v_b": v_b, "h_hat": h_hat}) * inputs["mask"][:, None, :]
        total = ops.sum(gate, axis=-1, keepdims=True) + _GATE_FLOOR
        texture = ops.matmul(gate / total, h_hat)  # [B, NM, l]
        return ops.reshape(texture, (-1, v_b.shape[1], v_b.shape[2], h_hat.shape[-1]))
