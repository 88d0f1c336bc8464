"""Scores against the truth, which only the procedural birds have.

Every test bird gets a caption that asks for one to all of its parts in other colours. The truth is
the same scene rendered with those colours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mim_tf.data import bird_captions, birds
from mim_tf.metrics import iou, masked_difference, psnr

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

    scene: birds.Scene
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
        scene = birds.scene(seed, index, size)
        rng = np.random.default_rng([seed, index, 2])
        caption, changes = bird_captions.draw_edit(rng, scene.colours)
        truth = scene.render({**scene.colours, **changes})
        yield Request(scene, caption, changes, scene.render(), truth)


def score(edit: EditBatch, seed: int, count: int, size: int, batch: int = 32) -> dict[str, float]:
    """Edit ``count`` unseen birds and compare with the truth.

    Returns:
        ``accuracy`` (mean over mentioned parts) and ``accuracy_<part>``: the part reads as the
        colour asked for; ``kept``: unmentioned parts that still read as their own; ``psnr``,
        ``psnr_copy`` and ``psnr_gain`` in dB (means over pictures; copy is the untouched input);
        ``background``: mean absolute difference, of 1.0, where there is no bird; ``iou`` of alpha
        above 1/2 with the parts that were to change; ``count``.
    """
    hits: dict[str, list[bool]] = {part: [] for part in birds.PARTS}
    kept: list[bool] = []
    psnrs: list[float] = []
    copies: list[float] = []
    background: list[float] = []
    overlaps: list[float] = []
    todo = list(requests(seed, count, size))
    for start in range(0, count, batch):
        chunk = todo[start : start + batch]
        edited, alphas = edit(
            np.stack([one.picture for one in chunk]), [one.caption for one in chunk]
        )
        for request, picture, alpha in zip(chunk, edited, alphas, strict=True):
            scene = request.scene
            for part in birds.PARTS:
                read = scene.read_colour(part, picture, request.colours)
                (hits[part] if part in request.changes else kept).append(
                    read == request.colours[part]
                )
            psnrs.append(psnr(picture, request.truth))
            copies.append(psnr(request.picture, request.truth))
            background.append(masked_difference(picture, request.picture, scene.bird <= 0))
            overlaps.append(iou(alpha[..., 0] > ALPHA_THRESHOLD, _changed(request)))
    everything = [hit for part in hits.values() for hit in part]
    return {
        "accuracy": float(np.mean(everything)),
        **{f"accuracy_{part}": float(np.mean(values)) for part, values in hits.items()},
        "kept": float(np.mean(kept)),
        "psnr": float(np.mean(psnrs)),
        "psnr_copy": float(np.mean(copies)),
        "psnr_gain": float(np.mean(psnrs) - np.mean(copies)),
        "background": float(np.mean(background)),
        "iou": float(np.mean(overlaps)),
        "count": count,
    }


def _changed(request: Request) -> np.ndarray:
    """[H, W] bool: pixels mostly of a part that was to change."""
    parts = [birds.PARTS.index(part) for part in request.changes]
    return request.scene.regions[..., parts].sum(axis=-1) > 0.5
