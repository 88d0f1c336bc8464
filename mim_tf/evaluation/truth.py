"""Scores against the truth, for data sets whose true edits are known (procedural birds).

Every test picture gets a caption that asks for a change; the source knows the right result of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mim_tf.data.source import Source, TrueEdit
from mim_tf.metrics import iou, masked_difference, psnr, ssim
from mim_tf.progress import Progress

ALPHA_THRESHOLD = 0.5

# pictures uint8 [B, F, F, 3] and captions -> edited uint8 [B, F, F, 3], alpha [B, F, F, 1]
EditBatch = Callable[[np.ndarray, list[str]], tuple[np.ndarray, np.ndarray]]


def true_edits(source: Source, count: int, size: int) -> Iterator[TrueEdit]:
    """The first ``count`` test edits of a source with truth, at ``size`` pixels; always the same.

    Raises:
        ValueError: the source knows no truth.
    """
    for request in source.requests(0, count):
        edit = source.true_edit(request.index, request.caption, size)
        if edit is None:
            raise ValueError(f"{source.name}: no true edits are known")
        yield edit


def score(
    edit: EditBatch, source: Source, count: int, size: int, batch: int = 32
) -> dict[str, float]:
    """Edit the first ``count`` pictures of a source and compare with the truth.

    Returns:
        ``accuracy`` (mean over mentioned parts) and ``accuracy_<part>``: the part reads as asked;
        ``kept``: unmentioned parts that still read as before; ``psnr``, ``psnr_copy`` and
        ``psnr_gain`` in dB (means over pictures; copy is the untouched input); ``ssim`` to the
        truth; ``background``: mean absolute difference, of 1.0, on the background; ``iou`` of alpha
        above 1/2 with the pixels that were to change; ``count``.
    """
    todo = list(true_edits(source, count, size))
    rows = []
    for start in Progress(range(0, len(todo), batch), "scoring", "batch"):
        chunk = todo[start : start + batch]
        pictures = np.stack([wanted.picture for wanted in chunk])
        edited, alphas = edit(pictures, [wanted.caption for wanted in chunk])
        rows += [measure(*row) for row in zip(chunk, edited, alphas, strict=True)]
    return summarise(rows)


def measure(wanted: TrueEdit, picture: np.ndarray, alpha: np.ndarray | None) -> dict[str, Any]:
    """One edit against its truth.

    Args:
        wanted: what was asked, and its right result.
        picture: uint8 [H, W, 3], the edit.
        alpha: float [H, W, 1] in [0, 1], or None where a method has none.

    Returns:
        ``parts`` (the names of all parts, in the source's order), ``hits`` (mentioned part ->
        whether it reads as asked), ``kept`` (unmentioned part -> whether it reads as before),
        ``psnr``, ``psnr_copy``, ``ssim``, ``background`` and, with an alpha, ``iou``; see
        :func:`score`.
    """
    right = wanted.read(picture)
    row = {
        "parts": tuple(right),
        "hits": {part: hit for part, hit in right.items() if part in wanted.mentioned},
        "kept": {part: hit for part, hit in right.items() if part not in wanted.mentioned},
        "psnr": psnr(picture, wanted.truth),
        "psnr_copy": psnr(wanted.picture, wanted.truth),
        "ssim": ssim(picture, wanted.truth),
        "background": masked_difference(picture, wanted.picture, wanted.background),
    }
    if alpha is not None:
        row["iou"] = iou(alpha[..., 0] > ALPHA_THRESHOLD, wanted.changed)
    return row


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over what :func:`measure` found; a part that was never mentioned has no accuracy."""
    everything = [hit for row in rows for hit in row["hits"].values()]
    scores = {"accuracy": float(np.mean(everything))}
    for part in dict.fromkeys(part for row in rows for part in row["parts"]):
        hits = [row["hits"][part] for row in rows if part in row["hits"]]
        if hits:
            scores[f"accuracy_{part}"] = float(np.mean(hits))
    kept = [hit for row in rows for hit in row["kept"].values()]
    if kept:
        scores["kept"] = float(np.mean(kept))
    for name in ("psnr", "psnr_copy", "ssim", "background", "iou"):
        if all(name in row for row in rows):
            scores[name] = float(np.mean([row[name] for row in rows]))
    scores["psnr_gain"] = scores["psnr"] - scores["psnr_copy"]
    return {**scores, "count": len(rows)}
