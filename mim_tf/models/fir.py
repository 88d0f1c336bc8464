"""FIR, Sec. 3.4: the refined picture at full size.

Dimensions: B batch, T words (padded), l texture channels, N x M feature map, C coarse size,
F fine size.
"""

from __future__ import annotations

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


class FIR(Network):
    """Fine-grain Image Refinement, Sec. 3.4, Eq. 10 and 11.

    Args:
        model: F (``fine_size``), the width of Dec_f.
        deviations: ``structure_skip``: Dec_f also gets the structure at full size. Deviation: the
            paper's gets ``v^u`` and ``h^f`` alone. ``refine_alpha``: Dec_f adds to the logit of
            alpha. Deviation: the paper has one alpha. ``tlu_affine``: the dot product inside
            Eq. 10's sigmoid is divided by sqrt(l), as that of Eq. 9 is at the start of training.
        channels: l.
    """

    def __init__(self, model: ModelConfig, deviations: Deviations, channels: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.size, width = model.fine_size, model.decoder_channels
        self.slope = channels**-0.5 if deviations.tlu_affine else 1.0
        # A 1x1 convolution commutes with U: project [v^u, h^f] first, enlarge after.
        self.project_v = conv(width, 1, name="Dec_f_v")
        self.project_h = conv(
            width, 1, use_bias=False, kernel_initializer=texture_initializer(), name="Dec_f_h"
        )
        self.skip = conv(width, 3, name="Dec_f_skip") if deviations.structure_skip else None
        self.decode_mid = Residual(width, name="Dec_f_mid")
        self.decode_out = conv(3, kernel_initializer=output_initializer(), name="Dec_f_out")
        self.refine = (
            conv(1, kernel_initializer="zeros", name="Dec_f_alpha")
            if deviations.refine_alpha
            else None
        )

    def call(self, inputs, training=False):
        """The refined edit.

        Args:
            inputs: ``v_u`` [B, C, C, l], ``h_hat`` [B, T, l], ``mask`` [B, T], ``structure``
                [B, F, F, 1] and ``logit`` [B, N, M, 1] or None.

        Returns:
            ``logit`` of alpha [B, F, F, 1] (None without TLU) and ``drawn`` [B, F, F, 3], in
            float32.
        """
        v_u, logit = inputs["v_u"], inputs["logit"]
        h_f = self.texture(v_u, inputs["h_hat"], inputs["mask"])
        x = resize(self.project_v(activate(v_u)) + self.project_h(h_f), self.size)
        if self.skip is not None:
            x = x + self.skip(inputs["structure"])
        x = activate(self.decode_mid(x))
        drawn = ops.tanh(self.decode_out(x))  # Eq. 11
        if logit is not None:
            logit = resize(logit, self.size)
            if self.refine is not None:
                logit = logit + self.refine(x)
            logit = ops.cast(logit, "float32")
        return {"logit": logit, "drawn": ops.cast(drawn, "float32")}

    def texture(self, v_u, h_hat, mask):
        """Eq. 10: ``v_u`` [B, C, C, l], ``h_hat`` [B, T, l], ``mask`` [B, T] -> ``h^f``
        [B, C, C, l]; T counts real words."""
        size, channels = v_u.shape[1], v_u.shape[-1]
        flat = ops.reshape(v_u, (-1, size * size, channels))  # [B, CC, l]
        gate = ops.matmul(flat, ops.transpose(h_hat, (0, 2, 1))) * self.slope
        gate = ops.sigmoid(gate)  # [B, CC, T]
        gate = gate * (mask / ops.sum(mask, axis=1, keepdims=True))[:, None, :]
        return ops.reshape(ops.matmul(gate, h_hat), (-1, size, size, channels))
