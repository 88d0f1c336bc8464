"""Folders of an evaluation: edited pictures of any program, and what was measured."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf import json_text
from mim_tf.errors import UserError
from mim_tf.evaluation import tables
from mim_tf.evaluation.task import Edits, Task
from mim_tf.pictures import files, pixels, sheets
from mim_tf.storage import replace_text

# Folders beside the edited pictures.
ALPHA, RECONSTRUCTED, UNKNOWN = "alpha", "reconstructed", "unknown"
METRICS = "metrics.json"  # written last: where it is, all beside it is whole and of one evaluation
_SHOWN, _SHOWN_SIZE = 24, 128  # pairs in the overview, and how large small pictures are shown


def read_edits(folder: Path, task: Task) -> Edits:
    """Pictures that somebody made: ``FOLDER/KEY.png``, and where there are any
    ``FOLDER/alpha/KEY.png``, ``FOLDER/reconstructed/KEY.png`` and ``FOLDER/unknown/KEY.png``.

    Raises:
        UserError: a picture is missing, cannot be read, or has another size than the task.
    """
    if not folder.is_dir():
        raise UserError(f"--images {folder}: there is no such folder")

    def load(place: Path) -> np.ndarray:
        paths = (place / f"{pair.key}.png" for pair in task.pairs)
        return np.stack([_read_square(path, task.size) for path in paths])

    alphas = load(folder / ALPHA)[..., :1] if (folder / ALPHA).is_dir() else None
    again, unknown = (
        load(folder / name) if (folder / name).is_dir() else None
        for name in (RECONSTRUCTED, UNKNOWN)
    )
    return Edits(load(folder), alphas, again, unknown)


def _read_square(path: Path, size: int) -> np.ndarray:
    picture = files.read(path)
    if picture.shape[:2] != (size, size):
        height, width = picture.shape[:2]
        raise UserError(
            f"{path}: {width}x{height} pixels instead of {size}x{size}; every method is measured "
            "at one size, so write the pictures at that size"
        )
    return picture


def write_edits(folder: Path, task: Task, edits: Edits, originals: np.ndarray) -> None:
    """Keep the edited pictures, keyed by pair, as :func:`read_edits` reads them.

    The inputs go to ``FOLDER/../inputs``, for whoever wants to edit them with another program.
    """
    (folder.parent / METRICS).unlink(missing_ok=True)  # of the pictures that are replaced now
    kept: list[tuple[Path, np.ndarray | None]] = [
        (folder, edits.pictures),
        (folder / ALPHA, edits.alphas),
        (folder / RECONSTRUCTED, edits.reconstructed),
        (folder / UNKNOWN, edits.unknown),
        (folder.parent / "inputs", originals),
    ]
    for place, pictures in kept:
        for earlier in place.glob("*.png"):
            earlier.unlink()
        if pictures is None:
            with contextlib.suppress(OSError):  # it is not there, or holds what is not ours
                place.rmdir()
            continue
        for pair, picture in zip(task.pairs, pictures, strict=True):
            files.write(place / f"{pair.key}.png", pixels.as_picture(picture))


def write_overview(path: Path, task: Task, edits: Edits, originals: np.ndarray) -> None:
    """A sheet of the first pairs: input, edit and alpha beside the caption."""
    titles = ["input", "edit"] + ([] if edits.alphas is None else ["alpha"])
    cells = []
    for place in range(min(_SHOWN, len(task.pairs))):
        cells.append([originals[place], edits.pictures[place]])
        if edits.alphas is not None:
            cells[-1].append(edits.alphas[place])
    captions = [pair.caption for pair in task.pairs[:_SHOWN]]
    scale = max(1, _SHOWN_SIZE // task.size)
    files.write(path, sheets.labelled_grid(cells, titles, captions, scale=scale))


def write_evaluation(
    output: Path,
    task: Task,
    numbers: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    about: dict[str, Any],
    pairs_text: str,
) -> None:
    """Write ``pairs.jsonl``, ``scores.jsonl`` (one row a pair), ``manifest.json``, ``table.md``
    and, last, ``metrics.json``.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / METRICS).unlink(missing_ok=True)
        replace_text(output / "pairs.jsonl", pairs_text)
        replace_text(output / "scores.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        replace_text(output / "manifest.json", json.dumps(about, indent=2) + "\n")
        replace_text(output / "table.md", tables.page(numbers, about))
        replace_text(output / METRICS, json.dumps(_plain(numbers), indent=2) + "\n")
    except OSError as error:
        raise UserError(f"--output {output}: cannot write there: {error.strerror}") from None


def read_evaluation(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """``metrics.json`` and ``manifest.json``, with what it says of the model, of a folder.

    Raises:
        OSError, ValueError: one is missing, or not as :func:`write_evaluation` writes it.
    """
    numbers, manifest = (json_text.read(folder / name) for name in (METRICS, "manifest.json"))
    whole = isinstance(numbers, dict) and isinstance(manifest, dict)
    if not whole or not isinstance(manifest.get("model"), dict):
        raise ValueError("not as evaluate writes it")
    return numbers, manifest


def _plain(tree: Any) -> Any:
    """JSON has no infinity (the PSNR of an exact edit): null stands for it."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return None if isinstance(tree, float) and not np.isfinite(tree) else tree
