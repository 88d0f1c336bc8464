"""The manifest of an evaluation: all that its digits depend on."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import version
from typing import Any

import numpy as np

from mim_tf.data.distractors import CANDIDATES
from mim_tf.data.source import Source
from mim_tf.evaluation.measure import SPLITS
from mim_tf.evaluation.pairs import pairs_hash
from mim_tf.evaluation.task import Task
from mim_tf.evaluators.folder import Evaluators

_VERSIONS = ("tensorflow", "keras", "numpy", "pillow", "opencv-python")

# Data settings that say where and how to read, not what, and those of training alone.
_OF_THIS_MACHINE = {
    "root", "records", "word_vectors", "broken_limit", "backgrounds", "person_model",
    "teacher",
}  # fmt: skip


def describe(
    task: Task, originals: np.ndarray, evaluators: Evaluators | None, model: dict[str, Any]
) -> dict[str, Any]:
    """All that the numbers depend on; two evaluations with equal manifests print equal digits.

    Args:
        model: what made the edits: names and hashes.
    """
    source = task.source
    return {
        "split": source.split,
        "seed": task.seed,
        "count": len(task.pairs),
        "pairs_sha256": pairs_hash(task.pairs),
        "captions_sha256": _captions_hash(source),
        "inputs_sha256": pictures_hash(originals),
        "pixels": task.size,
        "crop": source.crop,
        "resize": "bilinear, antialiased",
        "range": "uint8; Diff and L2 on [0, 1], evaluators on [-1, 1]",
        "data": _what_is_read(source.options.model_dump(mode="json")),
        "model": model,
        "evaluators": evaluators.describe() if evaluators is not None else {},
        # Not in every manifest, so that those from before there were such edits still agree.
        **({"targeted": True} if task.targeted else {}),
        "is_splits": SPLITS,
        "r_precision_candidates": CANDIDATES,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONS},
        },
    }


def _what_is_read(data: dict[str, Any]) -> dict[str, Any]:
    """Data settings, of a mixture's parts as well, without where and how to read."""
    found = {key: value for key, value in data.items() if key not in _OF_THIS_MACHINE}
    if isinstance(found.get("parts"), dict):
        found["parts"] = {name: _what_is_read(part) for name, part in found["parts"].items()}
    return found


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
