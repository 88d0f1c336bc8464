"""What the memories hold (Eq. 1 to 3): each slot painted alone on a few pictures, and which slots
the words of a caption read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from mim_tf.data.sources import load_source
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.metrics import difference
from mim_tf.pictures import files, pixels, sheets, tensor_pixels
from mim_tf.run import Run
from mim_tf.text import tokenize

_TOP = 3  # slots named for each word
_PICTURES = 4  # of the test split, painted where no picture is given
_CELL = 12  # side of a cell in the maps of attention, pixels


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
        """A line for each word: the slots that it reads most, and their weights."""
        lines = []
        for word, weights in zip(self.words, self.attention, strict=True):
            best = np.argsort(-weights, kind="stable")[:_TOP]
            slots = "  ".join(f"{slot}: {weights[slot]:.2f}" for slot in best)
            lines.append(f"{word:14} {slots}")
        return lines


def write_memory_sheet(
    run_folder: Path | None,
    preset: str | None,
    images: Sequence[Path] | None,
    captions: Sequence[str],
    output: Path,
) -> list[Reading]:
    """Write the memory sheet of a run or preset.

    Args:
        run_folder, preset: one of them.
        images: picture files to paint on; None for pictures of the test split.
        captions: whose attention is shown.
        output: the sheet, a picture file.

    Returns:
        What each caption reads.

    Raises:
        UserError: the model has no memory, a caption no known word, or a picture cannot be read.
    """
    editor = Editor(Run.chosen(run_folder, preset))
    readings = [read_memories(editor, caption) for caption in captions]
    if images:
        pictures = [files.read(path) for path in images]
    else:
        try:
            pictures, _ = test_pictures(editor, _PICTURES)
        except UserError as error:
            raise UserError(f"give --image PICTURE; there are no test pictures: {error}") from None
    files.write(output, sheet(editor, pictures, readings))
    return readings


def read_memories(editor: Editor, caption: str) -> Reading:
    """Eq. 2 for a caption.

    Raises:
        UserError: the model has no memory, or the caption no known word.
    """
    _memory(editor)
    tokens = editor.tokens([caption])
    attention = editor.generator.encode_text(tf.constant(tokens))["attention"].numpy()[0]
    words = tokenize(caption)[: tokens.shape[1]]
    return Reading(words, attention[: len(words)])


def test_pictures(editor: Editor, count: int) -> tuple[list[np.ndarray], str]:
    """The first pictures of the test split, at most ``count``, and the first caption there that has
    a known word.

    Raises:
        UserError: no caption has.
    """
    config, vocabulary = editor.run.config, editor.run.vocabulary
    source = load_source(config, "test")
    shown = range(min(count, len(source)))
    for captions in source.captions:
        for caption in captions:
            if vocabulary.reads(caption, config.data.max_words):
                return [source.picture(index, editor.size) for index in shown], caption
    raise UserError(f"no caption of the test split of {source.name} has a word that it knows")


def paint_memories(editor: Editor, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Paint each memory alone, as a caption of a single word would that reads only this slot.

    Args:
        editor: whose generator to use; no text takes part.
        pictures: uint8 [H, W, 3] each.

    Returns:
        uint8 [n, B, F, F, 3].

    Raises:
        UserError: the model has no memory.
    """
    memory = _memory(editor)
    generator = editor.generator
    inputs = tf.concat([_input(picture, editor.size) for picture in pictures], axis=0)
    seen = generator.encode_picture(inputs)
    slots, count = memory.shape[0], len(pictures)
    painted = []
    for slot in range(slots):
        # A caption of a single word, whose attention is 1 on this slot.
        attention = tf.one_hot(tf.fill([count, 1], slot), slots)
        out = generator.paint(seen, generator.mtfg.read(attention), tf.ones([count, 1]))
        picture = list(out["images"].values())[-1]
        painted.append(pixels.to_uint8(tensor_pixels.resample(picture, editor.size)))
    return np.stack(painted)


def sheet(
    editor: Editor, pictures: Sequence[np.ndarray], readings: Sequence[Reading]
) -> np.ndarray:
    """The contact sheet: a row for each slot, the strongest first, and a map of each caption's
    attention.

    The rows stand in columns, each with the inputs on top. Beside a slot's number is its strength:
    the mean absolute difference, of 1.0, that it makes when it is painted alone.

    Returns:
        uint8 [H, W, 3].
    """
    painted = paint_memories(editor, pictures)
    inputs = np.stack([pixels.to_uint8(_input(picture, editor.size))[0] for picture in pictures])
    strengths = np.array([difference(row, inputs).mean() for row in painted])
    order = np.argsort(-strengths, kind="stable")
    rows = [list(painted[slot]) for slot in order]
    titles = [f"memory {slot}: {strengths[slot]:.3f}" for slot in order]
    parts = [_columns(list(inputs), rows, titles)]
    for reading in readings:
        # A row for each word, a column for each slot; the largest weight of a word is white.
        shares = reading.attention / np.maximum(reading.attention.max(axis=1, keepdims=True), 1e-6)
        cells = [
            [np.full((_CELL, _CELL), share, np.float32) for share in word_shares]
            for word_shares in shares
        ]
        numbers = [str(slot) for slot in range(len(painted))]
        parts.append(sheets.labelled_grid(cells, numbers, reading.words, pad=1))
    return _stack(parts)


def _columns(
    inputs: list[np.ndarray], rows: list[list[np.ndarray]], titles: list[str]
) -> np.ndarray:
    """Rows of pictures in columns beside each other, read down, the whole about square."""
    height, width = sheets.labelled_grid([inputs], [], ["input"]).shape[:2]
    count = max(1, round(np.sqrt(len(rows) * height / width)))
    length = -(-len(rows) // count)
    columns = [
        sheets.labelled_grid(
            [inputs, *rows[start : start + length]], [], ["input", *titles[start : start + length]]
        )
        for start in range(0, len(rows), length)
    ]
    tallest = columns[0].shape[0]
    return np.concatenate(
        [
            np.pad(column, ((0, tallest - column.shape[0]), (0, 8), (0, 0)), constant_values=255)
            for column in columns
        ],
        axis=1,
    )


def _input(picture: np.ndarray, size: int) -> tf.Tensor:
    """What the generator sees of a uint8 picture: its centred square, [1, size, size, 3] in
    [-1, 1]."""
    return tensor_pixels.resample(pixels.to_signed(pixels.square_crop(picture))[None], size)


def _stack(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Sheets below each other, padded with white to the same width."""
    width = max(part.shape[1] for part in parts)
    padded = [
        np.pad(part, ((0, 8), (0, width - part.shape[1]), (0, 0)), constant_values=255)
        for part in parts
    ]
    return np.concatenate(padded)


def _memory(editor: Editor) -> tf.Variable:
    """The memory matrix of a model; an error where it has none."""
    memory = editor.generator.mtfg.memory
    if memory is None:
        raise UserError(f"{editor.run.path} was trained with model.memory=false: nothing to show")
    return memory
