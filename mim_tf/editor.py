"""Editor: the one inference path. Editing, evaluation, the demo and export all go through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from mim_tf.models.boundary import boundary_image
from mim_tf.models.layers import resize
from mim_tf.pictures import pixels
from mim_tf.run import Run


@dataclass(frozen=True)
class Edit:
    """One edited picture.

    Attributes:
        picture: uint8 [H, W, 3]: F x F, or the original's size with ``keep_size``.
        alpha: float32 [F, F, 1] in [0, 1], how much of each pixel is newly drawn.
        coarse: uint8 [C, C, 3], the first stage's picture.
        boundary: float32 [F, F, 1] in [0, 1], the structure the model saw.
    """

    picture: np.ndarray
    alpha: np.ndarray
    coarse: np.ndarray
    boundary: np.ndarray


class Editor:
    """Edits pictures with the averaged generator of a run or a preset.

    Args:
        run: whose generator, vocabulary and sizes to use.

    Attributes:
        size: side of the squares that the generator takes and gives.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.generator = run.load_generator()
        self.size = run.config.model.fine_size
        self._stage = "fine" if run.config.model.fine else "coarse"
        self._forward = tf.function(self.graph, reduce_retracing=True)

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
        # Only enlarges, where the fine stage is off: layers.resize, which every GPU has.
        edited = resize(out["images"][self._stage], self.size)
        alpha = resize(out["alphas"][self._stage], self.size)
        if not self.generator.compose:
            alpha = tf.ones_like(alpha)  # without composition every pixel is newly drawn
        boundary = boundary_image(picture, self.generator.boundary)
        return edited, alpha, out["images"]["coarse"], boundary

    def edit(self, picture: np.ndarray, caption: str, keep_size: bool = False) -> Edit:
        """Edit one picture of any size: its largest centred square is what the model sees.

        Args:
            picture: uint8 [H, W, 3].
            caption: what it should look like.
            keep_size: put the change back into the original at its own resolution.

        Raises:
            UserError: the caption is empty or has no known word.
        """
        return self.edit_many([picture], [caption], keep_size)[0]

    def edit_many(
        self, pictures: Sequence[np.ndarray], captions: Sequence[str], keep_size: bool = False
    ) -> list[Edit]:
        """Edit several pictures, each by its caption; see :meth:`edit`."""
        tokens = self.tokens(captions)
        crops = [pixels.fit(picture) for picture in pictures]
        squares = tf.concat(
            [
                pixels.resample(
                    pixels.to_signed(pixels.square_crop(picture, crop))[None], self.size
                )
                for picture, crop in zip(pictures, crops, strict=True)
            ],
            axis=0,
        )
        edited, alpha, coarse, boundary = (
            one.numpy() for one in self._forward(squares, tf.constant(tokens))
        )
        results = []
        for index, picture in enumerate(pictures):
            if keep_size:
                result = pixels.same_size_composite(
                    picture, squares[index].numpy(), edited[index], alpha[index], crops[index]
                )
            else:
                result = pixels.to_uint8(edited[index])
            results.append(
                Edit(result, alpha[index], pixels.to_uint8(coarse[index]), boundary[index])
            )
        return results

    def edit_batch(
        self, pictures: np.ndarray, captions: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Edit uint8 pictures [B, F, F, 3]; gives them and alpha [B, F, F, 1], for scoring."""
        edits = self.edit_many(list(pictures), captions)
        return np.stack([one.picture for one in edits]), np.stack([one.alpha for one in edits])

    def tokens(self, captions: Sequence[str]) -> np.ndarray:
        """Token ids int32 [B, T] of captions that somebody typed."""
        words = self.run.config.data.max_words
        return np.stack([self.run.vocabulary.encode_request(one, words) for one in captions])
