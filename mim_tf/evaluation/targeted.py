"""Targeted edits of photographs: each asks one thing, and whether it came is read from the picture.

Nobody knows the true edit of a photograph. So a caption asks for one thing that the photograph does
not have, and what people marked in it (points, boxes), or what its white background gives away,
says where to look. What marks say measures, and never reaches the model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from mim_tf.data.source import Source
from mim_tf.errors import UserError
from mim_tf.evaluation.birds import Birds
from mim_tf.evaluation.clothes import Clothes
from mim_tf.evaluation.faces import Faces
from mim_tf.evaluation.pairs import Pair
from mim_tf.evaluation.task import Edits, Task
from mim_tf.evaluation.truth import ALPHA_THRESHOLD
from mim_tf.evaluators.folder import Evaluators
from mim_tf.metrics import detail_kept
from mim_tf.progress import Progress


class Kind(Protocol):
    """What can be asked of one kind of photographs.

    Attributes:
        groups: what the wishes are grouped by, in the order of the table.
        counted: the groups whose mean is ``hit``.
        needs: what a picture needs to be asked for anything, in words.
    """

    groups: Sequence[str]
    counted: Sequence[str]
    needs: str

    def wishes(self, index: int, picture: np.ndarray) -> Mapping[str, str]:
        """Caption -> its group, of everything that may be asked of ``source.original(index)``."""

    def group(self, index: int, caption: str) -> str | None:
        """The group of a caption for a picture; None where it is no wish."""

    def measure(
        self, index: int, caption: str, before: np.ndarray, after: np.ndarray
    ) -> dict[str, float]:
        """``hit`` (1 or 0) and whatever else this kind measures of an edit, NaN where it cannot."""


def kind_of(source: Source, size: int, evaluators: Evaluators | None) -> Kind:
    """What can be asked of a source's photographs, at ``size`` pixels.

    Raises:
        UserError: nothing can be, or nothing is there that would read it.
    """
    if source.parts[0] is not source:
        raise UserError(
            f"--targeted: data.source={source.name} is several data sets; name the one to measure "
            "on: --config cub-targeted.yaml (or faces-, clothes-) --set data.root=DIR"
        )
    if source.has_truth:
        raise UserError(
            f"--targeted: data.source={source.name} knows its true edits; leave --targeted out, or "
            "name photographs: --config cub-targeted.yaml --set data.root=DIR"
        )
    if source.has_marks:
        return Birds(source, size)
    if source.has_attributes:
        return Faces(source, evaluators)
    return Clothes(source)


def draw_targeted(
    source: Source, seed: int, count: int | None, size: int, evaluators: Evaluators | None = None
) -> list[Pair]:
    """Draw targeted edits, at most one a picture; the first of many are those of few.

    The pictures come in a random order. Each is asked for the group that was asked for least so
    far, among those that it can be asked for, so that all groups come about equally often.

    Args:
        source: the split's pictures.
        seed: of the draw.
        count: how many; all pictures that can be asked for anything when None.
        size: side of the pictures that will be edited, in pixels.
        evaluators: which read edits of faces; others need none.

    Raises:
        UserError: nothing can be asked, or not so often.
    """
    kind = kind_of(source, size, evaluators)
    rng = np.random.default_rng([seed, 21])
    asked: Counter[str] = Counter()
    pairs: list[Pair] = []
    for index in map(int, rng.permutation(len(source))):
        if len(pairs) == count:
            break
        wishes = kind.wishes(index, source.original(index, size))
        if not wishes:
            continue
        least = min(asked[group] for group in wishes.values())
        captions = sorted(text for text, group in wishes.items() if asked[group] == least)
        caption = captions[rng.integers(len(captions))]
        own = source.captions[index][rng.integers(len(source.captions[index]))]
        asked[wishes[caption]] += 1
        pairs.append(Pair(f"{index:05d}", index, source.classes[index], caption, own))
    if not pairs or (count is not None and len(pairs) < count):
        wanted = "" if count is None else f"--count {count}: "
        raise UserError(
            f"{wanted}of the {len(source)} pictures of the {source.split} split {len(pairs)} can "
            f"be asked for something that they do not have; {kind.needs}"
        )
    return pairs


def measure(
    task: Task,
    edits: Edits,
    originals: np.ndarray,
    evaluators: Evaluators | None,
    rows: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Measure targeted edits, and note each one's scores in ``rows``.

    Returns:
        ``hit``: mean over the counted groups of the share that came as asked; ``hit_error``: its
        standard error; ``counted``: those groups; ``groups``: group -> its ``hit`` and ``count``;
        the means of what else the kind measures, and ``detail``, the mean of
        :func:`mim_tf.metrics.detail_kept` where alpha is above 1/2. NaN: could not be measured.

    Raises:
        UserError: a caption is no wish of this kind.
    """
    kind = kind_of(task.source, task.size, evaluators)
    found: list[dict[str, float]] = []
    pairs = Progress(task.pairs, "comparing", "picture")
    for place, (pair, before, after) in enumerate(
        zip(pairs, originals, edits.pictures, strict=True)
    ):
        group = kind.group(pair.index, pair.caption)
        if group is None:
            raise UserError(f"pair {pair.key} asks {pair.caption!r}, which is no targeted edit")
        scores = kind.measure(pair.index, pair.caption, before, after)
        scores["detail"] = math.nan
        if edits.alphas is not None:
            drawn = edits.alphas[place, ..., 0] > 255 * ALPHA_THRESHOLD
            scores["detail"] = detail_kept(before, after, drawn)
        found.append(scores)
        rows[place]["asked"] = group
        rows[place] |= {
            name: None if math.isnan(value) else round(float(value), 6)
            for name, value in scores.items()
        }
    return _summarise(kind, [row["asked"] for row in rows], found)


def _summarise(
    kind: Kind, asked: Sequence[str], found: Sequence[dict[str, float]]
) -> dict[str, Any]:
    groups: dict[str, dict[str, float]] = {}
    for group in kind.groups:
        hits = [row["hit"] for name, row in zip(asked, found, strict=True) if name == group]
        groups[group] = {"hit": _mean(hits), "count": len(hits)}
    counted = [groups[group] for group in kind.counted if groups[group]["count"]]
    errors = [row["hit"] * (1 - row["hit"]) / row["count"] for row in counted]
    return {
        "hit": _mean([row["hit"] for row in counted]),
        "hit_error": math.sqrt(sum(errors)) / max(len(counted), 1),
        "counted": list(kind.counted),
        "groups": groups,
        **{
            name: _mean([row[name] for row in found if not math.isnan(row[name])])
            for name in found[0]
            if name != "hit"
        },
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
