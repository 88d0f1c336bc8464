"""Scores against the truth, which only the procedural birds have.

Every test bird gets a caption that asks for one to all of its parts in other colours. The truth is
the same scene rendered with those colours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds import scenes
from mim_tf.metrics import iou, masked_difference, psnr, ssim

ALPHA_THRESHOLD = 0.5

# pictures uint8 [B, F, F, 3] and captions -> edited uint8 [B, F, F, 3], alpha [B, F, F, 1]
EditBatch = Callable[[np.ndarray, list[str]], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Request:
    """One edit of one unseen bird, with its truth.

    Attributes:
        scene: the bird.
        caption: what is asked.
        changes: part -> colour name, for the mentioned parts.
        picture, truth: uint8 [H, W, 3], before and after.
    """

    scene: scenes.Scene
    caption: str
    changes: dict[str, str]
    picture: np.ndarray
    truth: np.ndarray

    @property
    def colours(self) -> dict[str, str]:
        return {**self.scene.colours, **self.changes}


def requests(seed: int, count: int, size: int) -> Iterator[Request]:
    """The first ``count`` edits of a seed's birds at ``size`` pixels; the same every time."""
    for index in range(count):
        caption, changes = draw_request(seed, index)
        yield request(seed, index, size, caption, changes)


def draw_request(seed: int, index: int) -> tuple[str, dict[str, str]]:
    """The caption and the changes (part -> colour name) asked of a bird, without drawing it."""
    rng = np.random.default_rng([seed, index, 2])
    return bird_captions.draw_edit(rng, scenes.scene_colours(seed, index))


def request(seed: int, index: int, size: int, caption: str, changes: dict[str, str]) -> Request:
    """One edit of one bird at ``size`` pixels."""
    scene = scenes.scene(seed, index, size)
    truth = scene.render({**scene.colours, **changes})
    return Request(scene, caption, changes, scene.render(), truth)


def score(edit: EditBatch, seed: int, count: int, size: int, batch: int = 32) -> dict[str, float]:
    """Edit ``count`` unseen birds and compare with the truth.

    Returns:
        ``accuracy`` (mean over mentioned parts) and ``accuracy_<part>``: the part reads as the
        colour asked for; ``kept``: unmentioned parts that still read as their own; ``psnr``,
        ``psnr_copy`` and ``psnr_gain`` in dB (means over pictures; copy is the untouched input);
        ``ssim`` to the truth;
        ``background``: mean absolute difference, of 1.0, where there is no bird; ``iou`` of alpha
        above 1/2 with the parts that were to change; ``count``.
    """
    todo = list(requests(seed, count, size))
    rows = []
    for start in range(0, count, batch):
        chunk = todo[start : start + batch]
        edited, alphas = edit(
            np.stack([one.picture for one in chunk]), [one.caption for one in chunk]
        )
        rows += [measure(*one) for one in zip(chunk, edited, alphas, strict=True)]
    return summarise(rows)


def measure(request: Request, picture: np.ndarray, alpha: np.ndarray | None) -> dict[str, Any]:
    """One edit against its truth.

    Args:
        request: what was asked.
        picture: uint8 [H, W, 3], the edit.
        alpha: float [H, W, 1] in [0, 1], or None where a method has none.

    Returns:
        ``hits`` (mentioned part -> whether it reads as asked), ``kept`` (unmentioned part ->
        whether it reads as its own), ``psnr``, ``psnr_copy``, ``ssim``, ``background`` and, with an
        alpha, ``iou``; see :func:`score`.
    """
    scene = request.scene
    reads = {
        part: scene.read_colour(part, picture, request.colours) == request.colours[part]
        for part in scenes.PARTS
    }
    row = {
        "hits": {part: hit for part, hit in reads.items() if part in request.changes},
        "kept": {part: hit for part, hit in reads.items() if part not in request.changes},
        "psnr": psnr(picture, request.truth),
        "psnr_copy": psnr(request.picture, request.truth),
        "ssim": ssim(picture, request.truth),
        "background": masked_difference(picture, request.picture, scene.bird <= 0),
    }
    if alpha is not None:
        row["iou"] = iou(alpha[..., 0] > ALPHA_THRESHOLD, _changed(request))
    return row


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over what :func:`measure` found; a part that was never mentioned has no accuracy."""
    everything = [hit for row in rows for hit in row["hits"].values()]
    scores = {"accuracy": float(np.mean(everything))}
    for part in scenes.PARTS:
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


def _changed(request: Request) -> np.ndarray:
    """[H, W] bool: pixels mostly of a part that was to change."""
    parts = [scenes.PARTS.index(part) for part in request.changes]
    return request.scene.regions[..., parts].sum(axis=-1) > 0.5
