"""What an evaluation found, as Markdown in the form of the paper's Table 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mim_tf.evaluation.titles import METRICS, TARGETED, truth_rows

# Head and cell of each column of Table 1; Diff stands there on both of the scales in use.
_COLUMNS: tuple[tuple[str, Callable[[dict[str, float]], str]], ...] = (
    (METRICS["is_mean"].title, lambda row: f"{row['is_mean']:.2f} ± {row['is_std']:.2f}"),
    (METRICS["sim"].title, lambda row: f"{row['sim']:.3f}"),
    (METRICS["diff"].title, lambda row: f"{row['diff']:.3f}"),
    ("Diff [-1, 1]", lambda row: f"{2 * row['diff']:.3f}"),
    (METRICS["mp_products"].title, lambda row: f"{row['mp_products']:.3f}"),
    (METRICS["mp_means"].title, lambda row: f"{row['mp_means']:.3f}"),
    (METRICS["fid"].title, lambda row: f"{row['fid']:.2f}"),
    (METRICS["r_precision"].title, lambda row: f"{row['r_precision']:.3f} of {row['candidates']}"),
    (METRICS["l2"].title, lambda row: f"{row['l2']:.5f}"),
)


def table(rows: dict[str, dict[str, float]], first_column: str = "") -> str:
    """Rows of numbers as a Markdown table in the form of Table 1; what is not there is a dash.

    Args:
        rows: name -> a dictionary like ``edited`` of :func:`measure`.
    """
    names = [name for name, _ in _COLUMNS]
    lines = [f"| {first_column} | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    for name, row in rows.items():
        cells = []
        for _, show in _COLUMNS:
            try:
                cells.append(show(row))
            except KeyError:
                cells.append("-")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def page(numbers: dict[str, Any], about: dict[str, Any]) -> str:
    """``table.md``: Table 1, the truth where it is known, and what the evaluators were."""
    parts = [
        f"N = {numbers['count']} pairs at {numbers['pixels']} px, {about['split']} split; IS over "
        f"{about['is_splits']} splits (biased in N: compare only at equal N).",
        *_tables(numbers, about),
    ]
    for name, of_source in numbers.get("sources", {}).items():
        parts.append(f"**{name}**, N = {of_source['count']}:")
        parts += _tables(of_source, about)
    parts.append(evaluator_lines(about["evaluators"]))
    return "\n\n".join(parts) + "\n"


def _tables(numbers: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """What was found over all pairs, or over those of one source."""
    rows = {
        about["model"].get("name", "edited"): numbers["edited"],
        "input copied": numbers["copied"],
        "real images, own captions": numbers["real"],
    }
    parts = [table(rows)]
    if "targeted" in numbers:
        parts.append(_targeted(numbers["targeted"]))
    if "truth" in numbers:
        lines = ["| against the known truth | |", "| --- | ---: |"]
        for name, title in truth_rows(numbers["truth"]):
            lines.append(f"| {title} | {numbers['truth'][name]:.3f} |")
        parts.append("\n".join(lines))
    if "alpha" in numbers:
        share, on, off = (numbers["alpha"][name] for name in ("share", "on", "off"))
        parts.append(
            f"Alpha is above 1/2 on {share:.1%} of the pixels: Diff {on:.3f} there, {off:.3f} "
            "elsewhere."
        )
    if "unknown" in numbers["edited"]:
        change = numbers["edited"]["unknown"]
        parts.append(f"{METRICS['unknown'].title}: {change:.4f} (0: nothing is changed).")
    return parts


def _targeted(found: dict[str, Any]) -> str:
    """What became of targeted edits; a dash for what could not be measured."""
    lines = ["| asked | hit | edits |", "| --- | ---: | ---: |"]
    for group, row in found["groups"].items():
        lines.append(f"| {group} | {_shown(row['hit'])} | {row['count']} |")
    lines.append(f"| mean of {', '.join(found['counted'])} | {_hit(found)} | |")
    others = ["| targeted edits | |", "| --- | ---: |"]
    for name, title in TARGETED.items():
        if name in found:
            others.append(f"| {title} | {_shown(found[name], 4)} |")
    return "\n".join(lines) + "\n\n" + "\n".join(others)


def targeted_table(rows: Mapping[str, dict[str, Any]]) -> str:
    """What became of several models' targeted edits, a row each; the groups that count alone.

    Args:
        rows: name -> what :func:`mim_tf.evaluation.targeted.measure` found.
    """
    first = next(iter(rows.values()))
    groups, others = first["counted"], [name for name in TARGETED if name in first]
    titles = [TARGETED[name].split(":")[0] for name in others]
    head = ["row", "hit", *groups, *titles]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, found in rows.items():
        hits = [_shown(found["groups"][group]["hit"]) for group in groups]
        cells = [_hit(found), *hits, *(_shown(found[other], 4) for other in others)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _hit(found: dict[str, Any]) -> str:
    """The mean of targeted edits that came as asked, and its standard error."""
    return f"{_shown(found['hit'])} ± {_shown(found['hit_error'])}"


def _shown(value: float | None, digits: int = 3) -> str:
    """A dash for what could not be measured: NaN, or what a file has in its place."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def evaluator_lines(about: dict[str, Any]) -> str:
    """Which evaluator measured what, with its hash."""
    measured = {"damsm": "Sim, MP, R-precision", "classifier": "IS, FID"}
    if "attributes" in about.get("classifier", {}):
        measured["classifier"] = "FID, attributes"
    lines = [
        f"{measured[kind]}: {evaluator['name']}, sha256 {evaluator['sha256'][:16]}"
        for kind, evaluator in about.items()
    ]
    missing = [what for kind, what in measured.items() if kind not in about]
    if missing:
        lines.append(f"Not measured, no evaluator given: {'; '.join(missing)}")
    return "  \n".join(lines)
