"""Figures for each source of a mixture, beside those over all of its pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mim_tf.data.mixture_source import MixtureSource
from mim_tf.evaluation.measure import measure
from mim_tf.evaluation.task import Edits, Task
from mim_tf.evaluators.folder import Evaluators


def measure_sources(
    task: Task, edits: Edits, originals: np.ndarray, evaluators: Evaluators | None
) -> dict[str, Any]:
    """Name of a part -> what :func:`measure` finds over its pairs alone; empty of other sources.

    A part that no pair came from is left out.
    """
    source, numbers = task.source, {}
    if not isinstance(source, MixtureSource):
        return {}
    start = 0
    for name, part in zip(source.names, source.parts, strict=True):
        end = start + len(part)
        chosen = [place for place, pair in enumerate(task.pairs) if start <= pair.index < end]
        if chosen:
            pairs = [
                replace(task.pairs[place], index=task.pairs[place].index - start)
                for place in chosen
            ]
            own = Task(part, pairs, task.size, task.seed, task.targeted)
            numbers[name], _ = measure(own, _some(edits, chosen), originals[chosen], evaluators)
        start = end
    return numbers


def _some(edits: Edits, places: list[int]) -> Edits:
    def some(pictures: np.ndarray | None) -> np.ndarray | None:
        return None if pictures is None else pictures[places]

    return Edits(
        edits.pictures[places],
        some(edits.alphas),
        some(edits.reconstructed),
        some(edits.unknown),
    )
