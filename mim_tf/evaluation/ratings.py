"""Answers of the human study in, Table 2 out."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
from scipy import stats

from mim_tf import json_text
from mim_tf.errors import UserError

RANKS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Rating:
    """One answer: what one rater gave one method's picture of one pair, 1 to 5."""

    rater: str
    method: str
    pair: str
    question: str
    rank: int


def read_answers(
    paths: Sequence[Path], key: Mapping[str, Any], questions: Iterable[str]
) -> list[Rating]:
    """Read answer files of one study.

    Args:
        paths: files that the page saved.
        key: ``study`` and ``pictures``, as the key file holds them.
        questions: those of the study.

    Raises:
        UserError: no answer file, one of another study, an unknown picture, question or rank, or
            a rater or an answer twice.
    """
    questions = list(questions)  # of a question of any type, a set could not be asked
    ratings: list[Rating] = []
    files: dict[str, Path] = {}
    for path in paths:
        try:
            found = json_text.read(path)
            study, rater, answers = found["study"], str(found["rater"]), found["answers"]
            rows = [(answer["picture"], answer["question"], answer["rank"]) for answer in answers]
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(f"{path}: no answer file of a study") from None
        if study != key["study"]:
            raise UserError(f"{path}: answers of another study than the key's")
        if rater in files:
            raise UserError(f"{path} and {files[rater]} are of the same rater; give one of them")
        files[rater] = path
        answered = set()
        for picture, question, rank in rows:
            owner = key["pictures"].get(picture) if isinstance(picture, str) else None
            if owner is None or question not in questions or rank not in RANKS or rank is True:
                raise UserError(
                    f"{path}: unknown picture {picture!r}, question {question!r} or rank {rank!r}"
                )
            if (picture, question) in answered:
                raise UserError(f"{path}: answers {question!r} of picture {picture!r} twice")
            answered.add((picture, question))
            ratings.append(Rating(rater, owner["method"], owner["pair"], question, rank))
    if not ratings:
        raise UserError("the files hold no answer")
    return ratings


def methods(ratings: Iterable[Rating]) -> list[str]:
    return sorted({rating.method for rating in ratings})


def summary(ratings: Sequence[Rating], method: str, question: str) -> tuple[float, float]:
    """Mean and (population) standard deviation of a method's ranks."""
    ranks = [
        rating.rank for rating in ratings if rating.method == method and rating.question == question
    ]
    return (float(np.mean(ranks)), float(np.std(ranks))) if ranks else (np.nan, np.nan)


def table(ratings: Sequence[Rating], questions: Iterable[str]) -> str:
    """Table 2 in Markdown."""
    names = list(questions)
    lines = [f"| method | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    for method in methods(ratings):
        cells = ("{:.2f} ± {:.2f}".format(*summary(ratings, method, name)) for name in names)
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def agreement(ratings: Sequence[Rating], question: str) -> float | None:
    """Krippendorff's alpha of ordinal ranks: 1 all agree, 0 as by chance; None if undefined."""
    rows = [rating for rating in ratings if rating.question == question]
    raters = sorted({row.rater for row in rows})
    units = sorted({(row.pair, row.method) for row in rows})
    ranks = np.full((len(raters), len(units)), np.nan)
    for row in rows:
        ranks[raters.index(row.rater), units.index((row.pair, row.method))] = row.rank
    shared = ranks[:, (~np.isnan(ranks)).sum(axis=0) > 1]
    if len(raters) < 2 or len(np.unique(shared[~np.isnan(shared)])) < 2:
        return None
    return float(krippendorff.alpha(ranks, level_of_measurement="ordinal"))


def significance(
    ratings: Sequence[Rating], first: str, second: str, question: str
) -> tuple[float, float, int]:
    """Wilcoxon's signed-rank test of two methods, paired by pair (mean over its raters).

    Returns:
        Mean difference, two-sided p, and the number of pairs; p = 1 where nothing differs.
    """
    ranks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for rating in ratings:
        if rating.question == question:
            ranks[rating.pair][rating.method].append(rating.rank)
    both = [pair for pair in ranks.values() if first in pair and second in pair]
    differences = np.array([np.mean(pair[first]) - np.mean(pair[second]) for pair in both])
    if not differences.any():
        return 0.0, 1.0, len(both)
    return float(differences.mean()), float(stats.wilcoxon(differences).pvalue), len(both)


def compare(ratings: Sequence[Rating], questions: Iterable[str]) -> str:
    """Every two methods by every question, in Markdown."""
    lines = ["| aspect | methods | mean difference | p (Wilcoxon, uncorrected) | pairs |",
             "| --- | --- | ---: | ---: | ---: |"]  # fmt: skip
    for question in questions:
        for first, second in itertools.combinations(methods(ratings), 2):
            difference, p, count = significance(ratings, first, second, question)
            lines.append(
                f"| {question} | {first} - {second} | {difference:+.2f} | {p:.4f} | {count} |"
            )
    return "\n".join(lines)
