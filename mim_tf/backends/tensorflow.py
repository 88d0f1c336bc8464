"""Edits by a run's generator in TensorFlow: what evaluation uses and what exports trace."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mim_tf.models.boundary import boundary_image
from mim_tf.models.layers import resize
from mim_tf.pictures import tensor_pixels
from mim_tf.run import Run


class TensorFlowBackend:
    """The averaged generator of a run or a preset.

    Args:
        run: whose generator, vocabulary and sizes to use.

    Attributes:
        size: side of the squares that the generator takes and gives.
        max_words: token ids in a caption.
        vocabulary: the words it knows.
        deciding_words: those of them that say what to change to, such as colours.
    """

    resample = staticmethod(tensor_pixels.resample)
    add_change = staticmethod(tensor_pixels.add_change)

    def __init__(self, run: Run) -> None:
        self.run = run
        self.generator = run.load_generator()
        self.size = run.config.model.fine_size
        self.max_words = run.config.data.max_words
        self.vocabulary = run.vocabulary
        self.deciding_words = [
            word for word in run.config.data.swap_words if word in run.vocabulary.words
        ]
        self._stage = "fine" if run.config.model.fine else "coarse"
        self._forward = tf.function(self.graph, reduce_retracing=True)

    def __call__(self, squares: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, ...]:
        """:meth:`graph` from arrays to arrays."""
        found = self._forward(tf.constant(squares), tf.constant(tokens))
        return tuple(tensor.numpy() for tensor in found)

    def graph(self, picture, tokens):
        """The edit as TensorFlow operations, which exports trace.

        Args:
            picture: [B, F, F, 3] in [-1, 1].
            tokens: int32 [B, T], at least one word in each row.

        Returns:
            edited [B, F, F, 3] and coarse [B, C, C, 3] in [-1, 1], alpha and boundary [B, F, F, 1]
            in [0, 1], in the order edited, alpha, coarse, boundary.
        """
        words = self.generator.encode_text(tokens, training=False)
        return self.paint(picture, words["h_hat"], words["mask"])

    def paint(self, picture, h_hat, mask):
        """:meth:`graph` from the texture ``h_hat`` [B, T, l] and ``mask`` [B, T] of a caption."""
        seen = self.generator.encode_picture(picture, training=False)
        out = self.generator.paint(seen, h_hat, mask, training=False)
        # Where the fine stage is off, this enlarges, by an operation that every phone's GPU has.
        edited = resize(out["images"][self._stage], self.size)
        alpha = resize(out["alphas"][self._stage], self.size)
        if not self.generator.compose:
            alpha = tf.ones_like(alpha)  # without composition every pixel is newly drawn
        boundary = boundary_image(picture, self.generator.boundary)
        return edited, alpha, out["images"]["coarse"], boundary
