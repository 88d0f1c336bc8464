"""The signatures of the SavedModel: from picture files and captions to edited pictures.

Dimensions: B batch, H height, W width, S side of the model's square, T words, l channels of ``h^``.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from mim_tf import captions
from mim_tf.pictures import pixels, tensor_pixels
from mim_tf.text import PAD

from . import pictures
from .caption_check import GraphCaptions, join_lines
from .tokenizer import GraphTokenizer

CAPTION = "caption"
IMAGE_BYTES = "image_bytes"
WARNINGS = "warnings"
EDIT = "edit"


class Signatures:
    """The functions that a SavedModel offers, as methods.

    What several signatures share (captions, squares, word features, the edit) is traced once and
    called by each of them: a copy of the graph in every signature would multiply the memory that a
    loader needs. A signature has no optional inputs in TensorFlow Serving: what few requests ask
    for stands in a signature of its own.

    Args:
        editor: the :class:`mim_tf.editor.Editor` to export.

    Attributes:
        tokenizer: holds the vocabulary's table, which the exporter has to track.
    """

    def __init__(self, editor) -> None:
        self._editor = editor
        backend = editor.backend
        self.tokenizer = GraphTokenizer(backend.vocabulary, backend.max_words)
        check = GraphCaptions(self.tokenizer, backend.vocabulary.words, backend.deciding_words)
        specs = self._specs = _specs(editor)
        self._check = tf.function(check, input_signature=[specs["caption"]])
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
            EDIT: (
                self.edit,
                [
                    specs[name]
                    for name in ("image_bytes", "caption", "strength", "anyway", "keep_size")
                ],
            ),
            "check_caption": (self.check_caption, [specs["caption"]]),
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
        """Picture files [B] and captions [B] to PNG files [B] of S x S pixels, and warnings [B]."""
        no = tf.zeros_like(caption, tf.bool)
        return self.edit(image_bytes, caption, tf.ones_like(caption, tf.float32), no, no)

    def edit_keep_size(self, image_bytes, caption):
        """Picture files [B] and captions [B] to PNG files [B] of their own sizes, and warnings."""
        no = tf.zeros_like(caption, tf.bool)
        return self.edit(image_bytes, caption, tf.ones_like(caption, tf.float32), no, ~no)

    def edit(self, image_bytes, caption, strength, anyway, keep_size):
        """What `mim_tf.editor.Editor` does, with its arguments for each picture, all [B]."""
        _check_same_count(image_bytes, caption)
        for option in (strength, anyway, keep_size):
            _check_same_count(option, caption)
        fits = (strength >= 0) & (strength <= pixels.STRONGEST)
        pictures.refuse(~fits, f"strength is not from 0 to {pixels.STRONGEST}")
        tokens, messages = self._take(caption, anyway)
        squares = self._squares(image_bytes)
        edit = self._edit(squares, tokens)
        edited = pixels.strengthened(squares, edit["fine"], strength[:, None, None, None])
        with tf.control_dependencies([squares]):  # else files that it refuses may be decoded first
            accepted = tf.identity(image_bytes)
        files = pictures.results(accepted, squares, edited, edit["alpha"], keep_size)
        shown = tensor_pixels.shows(squares, edit["fine"])
        idle = tf.where(shown | (strength == 0), "", captions.HARDLY_CHANGED)
        warnings = tf.map_fn(
            lambda item: join_lines(*item), (messages, idle), fn_output_signature=tf.string
        )
        return {IMAGE_BYTES: files, WARNINGS: warnings}

    def check_caption(self, caption):
        """Captions [B] to their messages [B], one a line, and whether an edit is refused [B]."""
        checked = self._check(caption)
        return {"messages": checked.messages, "refuses": checked.refuses}

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

    def _take(self, caption, anyway):
        """Token ids [B, T] and messages [B]; refuses captions as `mim_tf.captions.refusal` does."""
        checked = self._check(caption)
        lines = tf.strings.regex_replace(checked.messages, "\n", " ")
        told = tf.where(checked.forcible, lines + f" {captions.ANYWAY}", lines)
        pictures.refuse_each(checked.refuses & ~(checked.forcible & anyway), told)
        return self.tokenizer(caption), checked.messages

    def _tokens(self, caption):
        return self._take(caption, tf.zeros_like(caption, tf.bool))[0]

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
        "strength": tf.TensorSpec([None], tf.float32, "strength"),
        "anyway": tf.TensorSpec([None], tf.bool, "anyway"),
        "keep_size": tf.TensorSpec([None], tf.bool, "keep_size"),
        "h_hat": tf.TensorSpec([None, words, channels], tf.float32, "h_hat"),
    }


def _check_same_count(images, captions) -> None:
    tf.debugging.assert_equal(
        tf.shape(images)[0], tf.shape(captions)[0], "give as many pictures as captions"
    )
