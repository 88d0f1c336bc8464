"""Contact sheets: pictures, maps and their captions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mim_tf.pictures import pixels

_PAPER = 255
_FONT_SIZE = 12
_CAPTION_WIDTH = 160


def grid(rows: list[list[np.ndarray]], pad: int = 2, scale: int = 1) -> np.ndarray:
    """A contact sheet: pictures in rows, on white, each in a cell as large as the largest.

    Args:
        rows: uint8 `[H, W, 3]` pictures, and maps `[H, W]` or `[H, W, 1]`, uint8 or float in
            [0, 1], shown as grey. A short row is filled with white.
        pad: white pixels around each cell.
        scale: how many times to repeat each pixel both ways.

    Returns:
        uint8 `[H, W, 3]`.
    """
    cells = _cells(rows, scale)
    heights = [_cell_size(cells)[0]] * len(cells)
    return _sheet(cells, heights, pad, left=0, top=0)


def labelled_grid(
    rows: list[list[np.ndarray]],
    column_titles: Sequence[str],
    row_titles: Sequence[str],
    pad: int = 2,
    scale: int = 1,
) -> np.ndarray:
    """A `grid` with a title over each column and a wrapped caption to the left of each row.

    A row grows where its caption needs more lines than its pictures are high. Either list of
    titles may be empty (none are drawn); otherwise its length is the number of columns or rows.

    Returns:
        uint8 `[H, W, 3]`.
    """
    cells = _cells(rows, scale)
    height, width = _cell_size(cells)
    for titles, count, what in (
        (column_titles, max(len(row) for row in cells), "column"),
        (row_titles, len(cells), "row"),
    ):
        if titles and len(titles) != count:
            raise ValueError(f"{len(titles)} {what} titles for {count} {what}s")

    font = ImageFont.load_default(_FONT_SIZE)
    line = _FONT_SIZE + 3
    heads = [_wrap(title, font, width) for title in column_titles]
    captions = [_wrap(title, font, _CAPTION_WIDTH) for title in row_titles]
    heights = [max(height, line * len(caption)) for caption in captions] or [height] * len(cells)
    left = _CAPTION_WIDTH + 2 * pad if captions else 0
    top = line * max((len(head) for head in heads), default=0)

    sheet = Image.fromarray(_sheet(cells, heights, pad, left, top))
    draw = ImageDraw.Draw(sheet)

    def put(lines: list[str], x: int, y: int) -> None:
        for index, text in enumerate(lines):
            draw.text((x, y + index * line), text, fill="black", font=font)

    for column, head in enumerate(heads):
        put(head, left + pad + column * (width + 2 * pad), pad)
    for row, caption in enumerate(captions):
        put(caption, pad, top + pad + sum(heights[:row]) + 2 * pad * row)
    return np.array(sheet)


def _cells(rows: list[list[np.ndarray]], scale: int) -> list[list[np.ndarray]]:
    if not any(rows):
        raise ValueError("a grid needs at least one picture")
    return [
        [pixels.as_picture(cell).repeat(scale, 0).repeat(scale, 1) for cell in row] for row in rows
    ]


def _cell_size(cells: list[list[np.ndarray]]) -> tuple[int, int]:
    every = [cell for row in cells for cell in row]
    return max(cell.shape[0] for cell in every), max(cell.shape[1] for cell in every)


def _sheet(
    cells: list[list[np.ndarray]], heights: list[int], pad: int, left: int, top: int
) -> np.ndarray:
    """Lay the cells out below `top` and right of `left` white pixels; one height a row."""
    width = _cell_size(cells)[1] + 2 * pad
    columns = max(len(row) for row in cells)
    total = top + sum(heights) + 2 * pad * len(heights)
    sheet = np.full((total, left + columns * width, 3), _PAPER, np.uint8)
    y = top + pad
    for row, height in zip(cells, heights, strict=True):
        for column, cell in enumerate(row):
            x = left + pad + column * width
            sheet[y : y + cell.shape[0], x : x + cell.shape[1]] = cell
        y += height + 2 * pad
    return sheet


def _wrap(text: str, font: Any, width: int) -> list[str]:
    """Break a text into lines at most `width` pixels wide, inside a word only where it must."""
    lines: list[str] = []
    current = ""
    for word in text.split():
        longer = f"{current} {word}" if current else word
        if font.getlength(longer) <= width:
            current = longer
            continue
        if current:
            lines.append(current)
        while len(word) > 1 and font.getlength(word) > width:
            keep = next(
                n
                for n in range(len(word) - 1, 0, -1)
                if n == 1 or font.getlength(word[:n]) <= width
            )
            lines.append(word[:keep])
            word = word[keep:]
        current = word
    return [*lines, current] if current else lines
