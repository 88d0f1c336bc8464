"""Evaluation: fixed pairs, edits, metrics, and the manifest from which the same digits come again.

Measuring knows no model: pictures come from a function that edits, or from a folder.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mim_tf import images, metrics, tables, truth
from mim_tf.config import Config
from mim_tf.data import bird_captions
from mim_tf.data.sources import Source, Split, bird_seed
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.pairs import CANDIDATES, Pair, distractors, original, pairs_hash
from mim_tf.rulers import Rulers, fingerprint, vocabulary_hash
from mim_tf.run import Run
from mim_tf.storage import replace_text

SPLITS = 10  # of IS
_BATCH = 16
_VERSIONS = ("tensorflow", "keras", "numpy", "pillow", "opencv-python")

ALPHA, RECONSTRUCTED = "alpha", "reconstructed"  # folders beside the edited pictures


@dataclass(frozen=True)
class Task:
    """What is measured, and on what.

    Attributes:
        config: its data section names the source.
        source, split: the pictures.
        pairs: the edits.
        size: side of the pictures, in pixels.
        seed: of R-precision's candidates.
    """

    config: Config
    source: Source
    split: Split
    pairs: Sequence[Pair]
    size: int
    seed: int

    def originals(self) -> np.ndarray:
        """uint8 [N, size, size, 3], before the edits."""
        return np.stack(
            [original(self.config, self.source, self.split, one, self.size) for one in self.pairs]
        )


@dataclass(frozen=True)
class Edits:
    """What a method made of a task's pairs.

    Attributes:
        pictures: uint8 [N, S, S, 3], edited by the pairs' captions.
        alphas: uint8 [N, S, S, 1], 255 where newly drawn; None where the method has none.
        reconstructed: uint8 [N, S, S, 3], edited by the pictures' own captions; None if not made.
    """

    pictures: np.ndarray
    alphas: np.ndarray | None = None
    reconstructed: np.ndarray | None = None


def make_edits(edit: truth.EditBatch, task: Task, originals: np.ndarray) -> Edits:
    """Edit every pair, by its caption and by the picture's own.

    Args:
        edit: uint8 pictures [B, S, S, 3] and captions -> edited uint8 and alpha [B, S, S, 1].
    """
    pictures, alphas, reconstructed = [], [], []
    starts = range(0, len(task.pairs), _BATCH)
    for start in tqdm(starts, desc="editing", dynamic_ncols=True, file=sys.stderr):
        chunk, batch = task.pairs[start : start + _BATCH], originals[start : start + _BATCH]
        edited, alpha = edit(batch, [one.caption for one in chunk])
        pictures.append(edited)
        # Alpha counts as it is kept in a file, or digits would differ when read back.
        alphas.append(np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8))
        reconstructed.append(edit(batch, [one.own for one in chunk])[0])
    return Edits(np.concatenate(pictures), np.concatenate(alphas), np.concatenate(reconstructed))


def edit_with(run: Run, task: Task, originals: np.ndarray) -> tuple[Edits, dict[str, Any]]:
    """A run's edits, and the manifest's entry of what made them."""
    editor = Editor(run)
    model = {
        "name": run.path.resolve().name,
        "weights_sha256": fingerprint(editor.generator),
        "vocabulary_sha256": vocabulary_hash(run.vocabulary),
        "config": run.config.model.model_dump(mode="json", exclude={"encoder_weights"}),
    }
    return make_edits(editor.edit_batch, task, originals), model


# Measuring ---------------------------------------------------------------------------------------


def measure(
    task: Task, edits: Edits, originals: np.ndarray, rulers: Rulers | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Every metric that the task and the rulers allow.

    Returns:
        The numbers: ``count``, ``pixels``, ``edited``, ``copied`` (the untouched inputs with the
        same captions) and ``real`` (the inputs with their own captions), each with ``diff`` in
        [0, 1] and, with DAMSM, ``sim``, ``mp_products``, ``mp_means`` and ``r_precision`` (among so
        many ``candidates``); with the classifier ``is_mean``, ``is_std`` and ``fid``; ``l2`` where
        the method reconstructed. Where it has an alpha, ``alpha``: the ``share`` of pixels above
        1/2, and Diff ``on`` and ``off`` them. On procedural birds ``truth``, as
        :func:`mim_tf.truth.summarise`. And one row a pair, by key.
    """
    captions = [pair.caption for pair in task.pairs]
    own = [pair.own for pair in task.pairs]
    rows: list[dict[str, Any]] = [{"key": pair.key} for pair in task.pairs]
    after, before = (_Seen(rulers, one, originals) for one in (edits.pictures, originals))
    methods = {"edited": (after, captions), "copied": (before, captions), "real": (before, own)}
    numbers: dict[str, Any] = {"count": len(task.pairs), "pixels": task.size}
    for name, (seen, texts) in methods.items():
        found: dict[str, float] = {"diff": float(seen.diff.mean()), **seen.quality}
        if rulers is not None and seen.codes is not None:
            sim = metrics.cosine(seen.codes, rulers.text_codes(texts))
            products, means = metrics.manipulative_precision(seen.diff, sim)
            found |= {"sim": float(sim.mean()), "mp_products": products, "mp_means": means}
            candidates = _candidates(task, texts)
            if len(candidates[0]) > 1:
                found["r_precision"] = float(rulers.r_precision(seen.codes, candidates).mean())
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
    if task.config.data.source == "birds":
        numbers["truth"] = _against_truth(task, edits, rows)
    return numbers, rows


class _Seen:
    """What the rulers see in a set of pictures, looked at once.

    Attributes:
        diff: [N], from the originals.
        codes: DAMSM's [N, D], or None without.
        quality: ``is_mean``, ``is_std`` and ``fid``, as far as there is a classifier and enough
            pictures.
    """

    def __init__(self, rulers: Rulers | None, pictures: np.ndarray, originals: np.ndarray) -> None:
        self.diff = metrics.difference(pictures, originals)
        self.codes: np.ndarray | None = None
        self.quality: dict[str, float] = {}
        if rulers is not None and rulers.damsm is not None:
            self.codes = rulers.image_codes(pictures)
        if rulers is not None and rulers.classifier is not None:
            self.quality = _quality(rulers, pictures, originals)


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


def _candidates(task: Task, texts: Sequence[str]) -> list[list[str]]:
    """Of R-precision: each picture's caption and 99 of other classes; fewer where data has fewer.

    They depend on the seed and the picture alone, so they are one and the same for every method.
    """
    found = []
    for pair, text in zip(task.pairs, texts, strict=True):
        rng = np.random.default_rng([task.seed, 13, pair.index])
        others = distractors(task.config, task.source, task.split, pair.index, rng, text)
        found.append([text, *others])
    least = min(len(one) for one in found)
    return [one[:least] for one in found]


def _quality(rulers: Rulers, pictures: np.ndarray, originals: np.ndarray) -> dict[str, float]:
    probabilities, features = rulers.classify(pictures)
    _, real = rulers.classify(originals)
    found: dict[str, float] = {}
    if len(pictures) >= SPLITS:
        mean, std = metrics.inception_score(probabilities, SPLITS)
        found |= {"is_mean": mean, "is_std": std}
    if len(pictures) > 1:
        fits = metrics.gaussian(features), metrics.gaussian(real)
        found["fid"] = metrics.frechet_distance(*fits)
    return found


def _against_truth(task: Task, edits: Edits, rows: list[dict[str, Any]]) -> dict[str, float]:
    seed = bird_seed(task.config, task.split)
    measured = []
    for place, pair in enumerate(task.pairs):
        changes = bird_captions.parse(pair.caption)
        request = truth.request(seed, pair.index, task.size, pair.caption, changes)
        alpha = None if edits.alphas is None else edits.alphas[place].astype(np.float32) / 255
        found = truth.measure(request, edits.pictures[place], alpha)
        measured.append(found)
        rows[place] |= {
            "accuracy": float(np.mean(list(found["hits"].values()))),
            **{name: round(found[name], 6) for name in ("psnr", "background", "iou")
               if np.isfinite(found.get(name, np.inf))},
        }  # fmt: skip
    return truth.summarise(measured)


# Manifest ----------------------------------------------------------------------------------------

# Data settings that say where and how to read, not what.
_OF_THIS_MACHINE = {"root", "records", "word_vectors", "workers", "cache_gb", "broken_limit"}


def manifest(
    task: Task, originals: np.ndarray, rulers: Rulers | None, model: dict[str, Any]
) -> dict[str, Any]:
    """All that the numbers depend on; two evaluations with equal manifests print equal digits.

    Args:
        model: what made the edits: names and hashes.
    """
    data = task.config.data
    return {
        "split": task.split,
        "seed": task.seed,
        "count": len(task.pairs),
        "pairs_sha256": pairs_hash(task.pairs),
        "captions_sha256": _captions_hash(task.source),
        "inputs_sha256": pictures_hash(originals),
        "pixels": task.size,
        "crop": "largest centred square"
        + (", of the bounding box" if data.source == "cub" and data.crop_to_box else ""),
        "resize": "bilinear, antialiased",
        "range": "uint8; Diff and L2 on [0, 1], rulers on [-1, 1]",
        "data": data.model_dump(mode="json", exclude=_OF_THIS_MACHINE),
        "model": model,
        "rulers": rulers.describe() if rulers is not None else {},
        "is_splits": SPLITS,
        "r_precision_candidates": CANDIDATES,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONS},
        },
    }


def pictures_hash(pictures: np.ndarray) -> str:
    """SHA-256 of pictures' bytes and shape."""
    digest = hashlib.sha256(str(pictures.shape).encode())
    digest.update(np.ascontiguousarray(pictures).tobytes())
    return digest.hexdigest()


def _captions_hash(source: Source) -> str:
    return hashlib.sha256(json.dumps(source.captions).encode()).hexdigest()


def manifest_differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """The dotted keys in which two manifests differ; names are no part of what was measured."""
    found = []
    for key in sorted({*old, *new} - {"name"}):
        first, second = old.get(key), new.get(key)
        if isinstance(first, dict) and isinstance(second, dict):
            found += manifest_differences(first, second, f"{prefix}{key}.")
        elif first != second:
            found.append(prefix + key)
    return found


# Folders -----------------------------------------------------------------------------------------


def read_edits(folder: Path, task: Task) -> Edits:
    """Pictures that somebody made: ``FOLDER/KEY.png``, and where there are any
    ``FOLDER/alpha/KEY.png`` and ``FOLDER/reconstructed/KEY.png``.

    Raises:
        UserError: a picture is missing, cannot be read, or has another size than the task.
    """
    if not folder.is_dir():
        raise UserError(f"--images {folder}: there is no such folder")

    def load(place: Path) -> np.ndarray:
        return np.stack([_read_square(place / f"{one.key}.png", task.size) for one in task.pairs])

    alphas = load(folder / ALPHA)[..., :1] if (folder / ALPHA).is_dir() else None
    again = load(folder / RECONSTRUCTED) if (folder / RECONSTRUCTED).is_dir() else None
    return Edits(load(folder), alphas, again)


def _read_square(path: Path, size: int) -> np.ndarray:
    picture = images.read(path)
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
    kept: list[tuple[Path, np.ndarray | None]] = [
        (folder, edits.pictures),
        (folder / ALPHA, edits.alphas),
        (folder / RECONSTRUCTED, edits.reconstructed),
        (folder.parent / "inputs", originals),
    ]
    for place, pictures in kept:
        if pictures is not None:
            for earlier in place.glob("*.png"):
                earlier.unlink()
            for pair, picture in zip(task.pairs, pictures, strict=True):
                images.write(place / f"{pair.key}.png", images.as_picture(picture))


def write(
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
        replace_text(output / "pairs.jsonl", pairs_text)
        replace_text(output / "scores.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        replace_text(output / "manifest.json", json.dumps(about, indent=2) + "\n")
        replace_text(output / "table.md", tables.page(numbers, about))
        replace_text(output / "metrics.json", json.dumps(_plain(numbers), indent=2) + "\n")
    except OSError as error:
        raise UserError(f"--output {output}: cannot write there: {error.strerror}") from None


def _plain(tree: Any) -> Any:
    """JSON has no infinity (the PSNR of an exact edit): null stands for it."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return None if isinstance(tree, float) and not np.isfinite(tree) else tree
