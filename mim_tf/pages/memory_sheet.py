"""What the memories hold (Eq. 1 to 3): each slot painted on a few pictures, and who reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from mim_tf.data.sources import load_source
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.pictures import pixels, sheets, tensor_pixels
from mim_tf.text import tokenize

_TOP = 3  # slots named for each word


@dataclass(frozen=True)
class Reading:
    """Which memories the words of a caption read.

    Attributes:
        words: as the model saw them, T of them.
        attention: float [T, n], rows that sum to 1 (Eq. 2).
    """

    words: list[str]
    attention: np.ndarray

    def lines(self) -> list[str]:
        """One line a word: its strongest slots and their weights."""
        found = []
        for word, weights in zip(self.words, self.attention, strict=True):
            best = np.argsort(-weights, kind="stable")[:_TOP]
            slots = "  ".join(f"{slot}: {weights[slot]:.2f}" for slot in best)
            found.append(f"{word:14} {slots}")
        return found


def read_memories(editor: Editor, caption: str) -> Reading:
    """Eq. 2 for a caption.

    Raises:
        UserError: the model has no memory, or the caption no known word.
    """
    _memory(editor)
    tokens = editor.tokens([caption])
    attention = editor.generator.read(tf.constant(tokens))["attention"].numpy()[0]
    words = tokenize(caption)[: tokens.shape[1]]
    return Reading(words, attention[: len(words)])


def test_pictures(editor: Editor, count: int) -> tuple[list[np.ndarray], str]:
    """The first pictures of the test split, at most ``count``, and a caption of the first."""
    source = load_source(editor.run.config, "test")
    shown = range(min(count, len(source)))
    return [source.picture(index, editor.size) for index in shown], source.captions[0][0]


def paint_memories(editor: Editor, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Paint each memory alone, as a caption of one word does that reads nothing else.

    Args:
        editor: whose generator; its words are left out.
        pictures: uint8 [H, W, 3] each.

    Returns:
        uint8 [n, B, F, F, 3].

    Raises:
        UserError: the model has no memory.
    """
    memory = _memory(editor)
    generator = editor.generator
    squares = [pixels.to_signed(pixels.square_crop(one))[None] for one in pictures]
    seen = generator.see(
        tf.concat([tensor_pixels.resample(one, editor.size) for one in squares], axis=0)
    )
    slots, count = memory.shape[0], len(pictures)
    painted = []
    for slot in range(slots):
        a = tf.one_hot(tf.fill([count, 1], slot), slots)  # the one word reads this slot
        out = generator.paint(seen, generator.mtfg.read(a), tf.ones([count, 1]))
        picture = list(out["images"].values())[-1]
        painted.append(pixels.to_uint8(tensor_pixels.resample(picture, editor.size)))
    return np.stack(painted)


def sheet(editor: Editor, pictures: Sequence[np.ndarray], readings: Sequence[Reading]):
    """The contact sheet: the inputs, one row a slot, and a map of each caption's attention.

    Returns:
        uint8 [H, W, 3].
    """
    painted = paint_memories(editor, pictures)
    inputs = [
        pixels.to_uint8(
            tensor_pixels.resample(pixels.to_signed(pixels.square_crop(one))[None], editor.size)
        )[0]
        for one in pictures
    ]
    rows = [inputs, *(list(row) for row in painted)]
    titles = ["input", *(f"memory {slot}" for slot in range(len(painted)))]
    parts = [sheets.labelled_grid(rows, [], titles)]
    for reading in readings:
        # One row a word, one column a memory; the largest weight of a word is white.
        cells = [
            [np.full((12, 12), weight / max(float(row.max()), 1e-6), np.float32) for weight in row]
            for row in reading.attention
        ]
        numbers = [str(slot) for slot in range(len(painted))]
        parts.append(sheets.labelled_grid(cells, numbers, reading.words, pad=1))
    return _stack(parts)


def _stack(parts: Sequence[np.ndarray]) -> np.ndarray:
    width = max(part.shape[1] for part in parts)
    padded = [
        np.pad(part, ((0, 8), (0, width - part.shape[1]), (0, 0)), constant_values=255)
        for part in parts
    ]
    return np.concatenate(padded)


def _memory(editor: Editor):
    memory = editor.generator.mtfg.memory
    if memory is None:
        raise UserError(f"{editor.run.path} was trained with model.memory=false: nothing to show")
    return memory
