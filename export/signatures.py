"""The signatures of the SavedModel: from picture files and captions to edited pictures.

Dimensions: B batch, H height, W width, S side of the model's square, T words, l channels of ``h^``.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from mim_tf.text import PAD, UNKNOWN

from . import pictures
from .tokenizer import GraphTokenizer

CAPTION = "caption"
IMAGE_BYTES = "image_bytes"


class Signatures:
    """The functions that a SavedModel offers, as methods.

    What several signatures share (tokens, squares, word features, the edit) is traced once and
    called by each of them: a copy of the graph in every signature would multiply the memory that a
    loader needs.

    Args:
        editor: the :class:`mim_tf.editor.Editor` to export.

    Attributes:
        tokenizer: holds the vocabulary's table, which the exporter has to track.
    """

    def __init__(self, editor) -> None:
        self._editor = editor
        self.tokenizer = GraphTokenizer(editor.run.vocabulary, editor.run.config.data.max_words)
        specs = self._specs = _specs(editor)
        self._tokens = tf.function(self._trace_tokens, input_signature=[specs["caption"]])
        self._squares = tf.function(self._trace_squares, input_signature=[specs["image_bytes"]])
        self._read = tf.function(self._trace_read, input_signature=[specs["tokens"]])
        self._paint = tf.function(
            self._trace_paint, input_signature=[specs["squares"], specs["h_hat"], specs["mask"]]
        )

    def endpoints(self) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        """Name -> function and the specifications of its arguments."""
        specs = self._specs
        return {
            "serving_default": (self.serving_default, [specs["image_bytes"], specs["caption"]]),
            "edit_keep_size": (self.edit_keep_size, [specs["image_bytes"], specs["caption"]]),
            "edit_tensors": (self.edit_tensors, [specs["bytes_of_any_size"], specs["caption"]]),
            "edit_floats": (self.edit_tensors, [specs["floats_of_any_size"], specs["caption"]]),
            "edit_tokens": (self.edit_tokens, [specs["squares"], specs["tokens"]]),
            "encode_text": (self.encode_text, [specs["caption"]]),
            "edit_texture": (
                self.edit_texture,
                [specs["squares"], specs["h_hat"], specs["mask"]],
            ),
        }

    # The signatures ------------------------------------------------------------------------------

    def serving_default(self, image_bytes, caption):
        """Picture files [B] and captions [B] to PNG files [B] of S x S pixels."""
        _, edit = self._edit_files(image_bytes, caption)
        return {IMAGE_BYTES: pictures.encode_png(edit["fine"])}

    def edit_keep_size(self, image_bytes, caption):
        """Picture files [B] and captions [B] to PNG files [B] at the pictures' own sizes."""
        squares, edit = self._edit_files(image_bytes, caption)
        composites = pictures.composites(image_bytes, squares, edit["fine"], edit["alpha"])
        return {IMAGE_BYTES: composites}

    def edit_tensors(self, images, caption):
        """Pictures [B, H, W, 3], uint8 or floats in [-1, 1], and captions [B] to the edit."""
        _check_same_count(images, caption)
        squares = pictures.squares(images, self._editor.size)
        return self._edit(squares, self._tokens(caption))

    def edit_tokens(self, images, tokens):
        """Squares [B, S, S, 3] in [-1, 1] and token ids [B, T] to the edit."""
        _check_same_count(images, tokens)
        size = len(self._editor.run.vocabulary)
        outside = tf.reduce_any((tokens < 0) | (tokens >= size), axis=1)
        pictures.refuse(outside, f"a token is outside the vocabulary; ids are 0 to {size - 1}")
        pictures.refuse(tf.reduce_all(tokens == PAD, axis=1), "the tokens hold no word")
        # The look-up of embeddings runs beside the check: its own error must not come first.
        return self._edit(images, tf.clip_by_value(tokens, 0, size - 1))

    def encode_text(self, caption):
        """Captions [B] to ``h_hat`` [B, T, l] and ``mask`` [B, T]."""
        return self._read(self._tokens(caption))

    def edit_texture(self, images, h_hat, mask):
        """Squares [B, S, S, 3] in [-1, 1] and what ``encode_text`` gives to the edit."""
        _check_same_count(images, h_hat)
        pictures.refuse(tf.reduce_sum(mask, axis=1) == 0, "the mask keeps no word")
        return self._paint(images, h_hat, mask)

    # What they share -----------------------------------------------------------------------------

    def _edit(self, squares, tokens):
        return self._paint(squares, **self._read(tokens))

    def _edit_files(self, image_bytes, caption):
        """The squares of the picture files, and their edit."""
        _check_same_count(image_bytes, caption)
        tokens = self._tokens(caption)
        squares = self._squares(image_bytes)
        return squares, self._edit(squares, tokens)

    def _trace_tokens(self, caption):
        tokens = self.tokenizer(caption)
        pictures.refuse(tokens[:, 0] == PAD, "the caption has no words; say what to change")
        pictures.refuse(
            tf.reduce_all(tokens <= UNKNOWN, axis=1),
            "no word of the caption was in the training captions",
        )
        return tokens

    def _trace_squares(self, image_bytes):
        return pictures.squares_of_files(image_bytes, self._editor.size)

    def _trace_read(self, tokens):
        words = self._editor.generator.encode_text(tokens, training=False)
        return {"h_hat": words["h_hat"], "mask": words["mask"]}

    def _trace_paint(self, images, h_hat, mask):
        edited, alpha, coarse, _ = self._editor.paint(images, h_hat, mask)
        return {"coarse": coarse, "fine": edited, "alpha": alpha}


def _specs(editor) -> dict[str, tf.TensorSpec]:
    """The specifications of all arguments; the names in them are the names in requests."""
    size, words = editor.size, editor.run.config.data.max_words
    channels = editor.generator.mtfg.channels
    return {
        "image_bytes": tf.TensorSpec([None], tf.string, IMAGE_BYTES),
        "caption": tf.TensorSpec([None], tf.string, CAPTION),
        "bytes_of_any_size": tf.TensorSpec([None, None, None, 3], tf.uint8, "images"),
        "floats_of_any_size": tf.TensorSpec([None, None, None, 3], tf.float32, "images"),
        "squares": tf.TensorSpec([None, size, size, 3], tf.float32, "images"),
        "tokens": tf.TensorSpec([None, words], tf.int32, "tokens"),
        "mask": tf.TensorSpec([None, words], tf.float32, "mask"),
        "h_hat": tf.TensorSpec([None, words, channels], tf.float32, "h_hat"),
    }


def _check_same_count(images, captions) -> None:
    tf.debugging.assert_equal(
        tf.shape(images)[0], tf.shape(captions)[0], "give as many pictures as captions"
    )
