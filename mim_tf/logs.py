"""The log of a training, ``log.jsonl``: one JSON object a line, with its ``step``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mim_tf import json_text
from mim_tf.errors import UserError
from mim_tf.storage import check_room, read_plain, replace_text


def append(log: Path, row: dict[str, Any]) -> None:
    """Append a row.

    Raises:
        UserError: there is no room for it.
    """
    check_room(log, 0, "go on with --resume")
    with log.open("a", encoding="utf-8") as opened:
        opened.write(json.dumps(row) + "\n")


def last_step(log: Path) -> int:
    """The step of the last whole row; 0 where there is none."""
    lines = read_plain(log, json_text.MOST_BYTES).splitlines() if log.exists() else []
    for line in reversed(lines):
        try:
            return int(json_text.load(line)["step"])
        except (ValueError, KeyError, TypeError, OverflowError):
            continue  # a row that was cut off when the process was killed
    return 0


def trim(log: Path, step: int) -> None:
    """Drop the rows after ``step``: a resumed run will write them again.

    Raises:
        UserError: a row is damaged.
    """
    if not log.exists():
        return
    kept = []
    lines = read_plain(log, json_text.MOST_BYTES).splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()  # cut off when the process was killed
    for number, line in enumerate(lines, start=1):
        try:
            if json_text.load(line)["step"] <= step:
                kept.append(line.decode("utf-8"))
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{log}, line {number}: no row of a log; put it right, or delete the line"
            ) from None
    replace_text(log, "".join(kept))
