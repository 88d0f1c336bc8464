"""What an evaluation found, as Markdown in the form of the paper's Table 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_COLUMNS: tuple[tuple[str, Callable[[dict[str, float]], str]], ...] = (
    ("IS", lambda row: f"{row['is_mean']:.2f} ± {row['is_std']:.2f}"),
    ("Sim", lambda row: f"{row['sim']:.3f}"),
    ("Diff [0, 1]", lambda row: f"{row['diff']:.3f}"),
    ("Diff [-1, 1]", lambda row: f"{2 * row['diff']:.3f}"),
    ("MP, mean of products", lambda row: f"{row['mp_products']:.3f}"),
    ("MP, product of means", lambda row: f"{row['mp_means']:.3f}"),
    ("FID", lambda row: f"{row['fid']:.2f}"),
    ("R-precision", lambda row: f"{row['r_precision']:.3f} of {row['candidates']}"),
    ("L2 reconstruction", lambda row: f"{row['l2']:.5f}"),
)
_TRUTH_ROWS = (
    ("accuracy", "attribute accuracy, mentioned parts"),
    ("accuracy_wings", "- wings"),
    ("accuracy_belly", "- belly"),
    ("accuracy_crown", "- crown"),
    ("accuracy_tail", "- tail"),
    ("kept", "unmentioned parts that kept their colour"),
    ("psnr", "PSNR to the true edit, dB"),
    ("psnr_copy", "PSNR of the untouched input, dB"),
    ("ssim", "SSIM to the true edit"),
    ("background", "mean absolute difference on the true background, [0, 1]"),
    ("iou", "IoU of alpha > 1/2 with the parts that were to change"),
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
    rows = {
        about["model"].get("name", "edited"): numbers["edited"],
        "input copied": numbers["copied"],
        "real images, own captions": numbers["real"],
    }
    parts = [
        f"N = {numbers['count']} pairs at {numbers['pixels']} px, {about['split']} split; IS over "
        f"{about['is_splits']} splits (biased in N: compare only at equal N).",
        table(rows),
    ]
    if "truth" in numbers:
        lines = ["| against the known truth | |", "| --- | ---: |"]
        for key, title in _TRUTH_ROWS:
            if key in numbers["truth"]:
                lines.append(f"| {title} | {numbers['truth'][key]:.3f} |")
        parts.append("\n".join(lines))
    if "alpha" in numbers:
        share, on, off = (numbers["alpha"][name] for name in ("share", "on", "off"))
        parts.append(
            f"Alpha is above 1/2 on {share:.1%} of the pixels: Diff {on:.3f} there, {off:.3f} "
            "elsewhere."
        )
    parts.append(evaluator_lines(about["evaluators"]))
    return "\n\n".join(parts) + "\n"


def evaluator_lines(about: dict[str, Any]) -> str:
    """Which evaluator measured what, with its hash."""
    measured = {"damsm": "Sim, MP, R-precision", "classifier": "IS, FID"}
    lines = [
        f"{measured[name]}: {one['name']}, sha256 {one['sha256'][:16]}"
        for name, one in about.items()
    ]
    missing = [what for name, what in measured.items() if name not in about]
    if missing:
        lines.append(f"Not measured, no evaluator given: {'; '.join(missing)}")
    return "  \n".join(lines)
