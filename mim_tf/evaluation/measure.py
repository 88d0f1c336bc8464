"""Every metric of an evaluation, over pictures from a model or from a folder.

Measuring knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mim_tf import metrics
from mim_tf.data.distractors import classes_of_captions, distractors
from mim_tf.evaluation import targeted, truth
from mim_tf.evaluation.task import Edits, Task
from mim_tf.evaluators.folder import Evaluators
from mim_tf.progress import Progress

SPLITS = 10  # of IS


def measure(
    task: Task, edits: Edits, originals: np.ndarray, evaluators: Evaluators | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Every metric that the task and the evaluators allow.

    Returns:
        The numbers: ``count``, ``pixels``, ``edited``, ``copied`` (the untouched inputs with the
        same captions) and ``real`` (the inputs with their own captions), each with ``diff`` in
        [0, 1] and, with DAMSM, ``sim``, ``mp_products``, ``mp_means`` and ``r_precision`` (among so
        many ``candidates``); with the classifier ``is_mean``, ``is_std`` and ``fid``; ``l2`` where
        the method reconstructed, ``unknown``, the Diff by captions whose deciding words are
        unknown, where it knows such. Where it has an alpha, ``alpha``: the ``share`` of pixels
        above 1/2, and Diff ``on`` and ``off`` them. Where the source knows it, ``truth``, as
        :func:`mim_tf.evaluation.truth.summarise`; of targeted edits ``targeted``, as
        :func:`mim_tf.evaluation.targeted.measure`. And one row a pair, by key.
    """
    captions = [pair.caption for pair in task.pairs]
    own = [pair.own for pair in task.pairs]
    rows: list[dict[str, Any]] = [{"key": pair.key} for pair in task.pairs]
    after, before = (
        _Seen(evaluators, pictures, originals) for pictures in (edits.pictures, originals)
    )
    methods = {"edited": (after, captions), "copied": (before, captions), "real": (before, own)}
    numbers: dict[str, Any] = {"count": len(task.pairs), "pixels": task.size}
    for name, (seen, texts) in methods.items():
        found: dict[str, float] = {"diff": float(seen.diff.mean()), **seen.quality}
        if evaluators is not None and seen.codes is not None:
            sim = metrics.cosine(seen.codes, evaluators.text_codes(texts))
            products, means = metrics.manipulative_precision(seen.diff, sim)
            found |= {"sim": float(sim.mean()), "mp_products": products, "mp_means": means}
            asked, candidates = _candidates(task, texts)
            if len(candidates[0]) > 1:
                right = evaluators.r_precision(seen.codes[asked], candidates)
                found["r_precision"] = float(right.mean())
                found["candidates"] = len(candidates[0])
            if name == "edited":
                _note(rows, "sim", sim)
                _note(rows, "mp", (1 - seen.diff) * sim)
        numbers[name] = found
    _note(rows, "diff", after.diff)
    if edits.alphas is not None:
        numbers["alpha"] = _by_alpha(edits.pictures, originals, edits.alphas)
    if edits.reconstructed is not None:
        l2 = metrics.squared_error(edits.reconstructed, originals)
        numbers["edited"]["l2"] = float(l2.mean())
        _note(rows, "l2", l2)
    if edits.unknown is not None:
        changes = metrics.difference(edits.unknown, originals)
        numbers["edited"]["unknown"] = float(changes.mean())
        _note(rows, "unknown", changes)
    if task.targeted:
        numbers["targeted"] = targeted.measure(task, edits, originals, evaluators, rows)
    if task.source.has_truth:
        numbers["truth"] = _against_truth(task, edits, rows)
    return numbers, rows


class _Seen:
    """What the evaluators see in a set of pictures, looked at once.

    Attributes:
        diff: [N], from the originals.
        codes: DAMSM's [N, D], or None without.
        quality: ``is_mean``, ``is_std`` and ``fid``, as far as there is a classifier and enough
            pictures.
    """

    def __init__(
        self, evaluators: Evaluators | None, pictures: np.ndarray, originals: np.ndarray
    ) -> None:
        self.diff = metrics.difference(pictures, originals)
        self.codes: np.ndarray | None = None
        self.quality: dict[str, float] = {}
        if evaluators is not None and evaluators.damsm is not None:
            self.codes = evaluators.image_codes(pictures)
        if evaluators is not None and evaluators.classifier is not None:
            self.quality = _quality(evaluators, pictures, originals)


def _by_alpha(pictures: np.ndarray, originals: np.ndarray, alphas: np.ndarray) -> dict[str, float]:
    drawn = alphas[..., 0] > 255 * truth.ALPHA_THRESHOLD
    found = {"share": float(drawn.mean())}
    for name, masks in (("on", drawn), ("off", ~drawn)):
        differences = map(metrics.masked_difference, pictures, originals, masks)
        sizes = np.count_nonzero(masks, axis=(1, 2))
        found[name] = float(np.dot(list(differences), sizes) / max(sizes.sum(), 1))
    return found


def _note(rows: list[dict[str, Any]], name: str, values: np.ndarray) -> None:
    for row, value in zip(rows, values, strict=True):
        row[name] = round(float(value), 6)


def _candidates(task: Task, texts: Sequence[str]) -> tuple[list[int], list[list[str]]]:
    """Of R-precision: which pictures are asked, and for each its caption and 99 of other classes.

    Fewer than 99 where the data has fewer for all. A picture for whose caption there are fewer than
    for others', as for "a black bird", which some bird of every class is called, is not asked.

    They depend on the seed, the picture and the caption alone, so every method has the same.
    """
    found, classes = [], classes_of_captions(task.source)
    for pair, text in zip(task.pairs, texts, strict=True):
        rng = np.random.default_rng([task.seed, 13, pair.index])
        others = distractors(task.source, pair.index, rng, text, classes.get(text, ()))
        found.append([text, *others])
    most = max(map(len, found))
    asked = [place for place, candidates in enumerate(found) if len(candidates) == most]
    return asked, [found[place] for place in asked]


def _quality(
    evaluators: Evaluators, pictures: np.ndarray, originals: np.ndarray
) -> dict[str, float]:
    probabilities, features = evaluators.classify(pictures)
    _, real = evaluators.classify(originals)
    found: dict[str, float] = {}
    if len(pictures) >= SPLITS and not evaluators.attributes:
        mean, std = metrics.inception_score(probabilities, SPLITS)
        found |= {"is_mean": mean, "is_std": std}
    if len(pictures) > 1:
        fits = metrics.gaussian(features), metrics.gaussian(real)
        found["fid"] = metrics.frechet_distance(*fits)
    return found


def _against_truth(task: Task, edits: Edits, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Compare every edit with the true one, and note the scores in ``rows``."""
    measured = []
    for place, pair in enumerate(Progress(task.pairs, "comparing", "picture")):
        wanted = task.source.true_edit(pair.index, pair.caption, task.size)
        assert wanted is not None  # the source has truth
        alpha = None if edits.alphas is None else edits.alphas[place].astype(np.float32) / 255
        found = truth.measure(wanted, edits.pictures[place], alpha)
        measured.append(found)
        rows[place] |= {
            "accuracy": float(np.mean(list(found["hits"].values()))),
            **{name: round(found[name], 6) for name in ("psnr", "background", "iou")
               if np.isfinite(found.get(name, np.inf))},
        }  # fmt: skip
    return truth.summarise(measured)
