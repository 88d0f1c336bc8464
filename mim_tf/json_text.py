"""JSON files, read with one kind of error for whatever is wrong in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mim_tf.storage import read_plain

MOST_BYTES = 1_000_000_000
"""Of a file: the log of a long training has a thousandth of it."""


def load(text: str | bytes) -> Any:
    """The value of a JSON document.

    Raises:
        ValueError: it is none, is not UTF-8, or nests deeper than Python's stack.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists or objects too deep inside each other") from None


def read(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: as :func:`load`.
    """
    return load(read_plain(path, MOST_BYTES))


def read_objects(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; blank lines are passed over.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is no object; the message names the line.
    """
    rows = []
    for number, line in enumerate(read_plain(path, MOST_BYTES).split(b"\n"), start=1):
        if line.strip():
            try:
                row = load(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"line {number}: no object")
            rows.append(row)
    return rows
