"""The metrics by name: what each is called, and whether more of it is better.

The names are those of ``metrics.json`` and ``scores.jsonl``; every table and page takes its titles
from here. No TensorFlow is needed to read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Metric(NamedTuple):
    """One metric.

    Attributes:
        title: in full, for the row of a table.
        short: for the head of a column or a curve.
        higher_is_better: which way is better; None where neither is.
    """

    title: str
    short: str
    higher_is_better: bool | None


METRICS: dict[str, Metric] = {
    # Of every data set, Sec. 4.2.
    "is_mean": Metric("IS", "IS", True),
    "sim": Metric("Sim", "Sim", True),
    "diff": Metric("Diff [0, 1]", "Diff", False),
    "mp_products": Metric("MP, mean of products", "MP, mean of products", True),
    "mp_means": Metric("MP, product of means", "MP, product of means", True),
    "mp": Metric("MP of a pair", "MP", True),
    "fid": Metric("FID", "FID", False),
    "r_precision": Metric("R-precision", "R-precision", True),
    "l2": Metric("L2 reconstruction", "L2 reconstruction", False),
    "unknown": Metric("Diff where the deciding words are unknown", "Diff by unknown words", False),
    # Of data sets whose true edits are known.
    "accuracy": Metric("attribute accuracy, mentioned parts", "attribute accuracy", True),
    "kept": Metric("unmentioned parts that kept their colour", "kept", True),
    "psnr": Metric("PSNR to the true edit, dB", "PSNR to the true edit", True),
    "psnr_copy": Metric("PSNR of the untouched input, dB", "PSNR of the input", None),
    "psnr_gain": Metric("PSNR gained over the untouched input, dB", "PSNR gained", True),
    "ssim": Metric("SSIM to the true edit", "SSIM", True),
    "background": Metric(
        "mean absolute difference on the true background, [0, 1]",
        "difference on the true background",
        False,
    ),
    "iou": Metric("IoU of alpha > 1/2 with the parts that were to change", "IoU of alpha", True),
}

TRUTH = ("accuracy", "kept", "psnr", "psnr_copy", "ssim", "background", "iou")
"""The rows of a table against the known truth, in order."""

TARGETED = {
    "kept": "kept: mean absolute change around the points of the other parts, [0, 1]",
    "outside": "outside: mean absolute change outside the box, [0, 1]",
    "background": "background: mean absolute change of the background, [0, 1]",
    "attributes_kept": "attributes kept: share of the other attributes that are read as before",
    "detail": "detail: correlation of fine luminance detail where alpha is above 1/2",
}
"""What is measured of targeted edits beside the hits, in the order of the table."""

_PART = "accuracy_"  # accuracy_<part>: the accuracy of one part alone


def truth_rows(scores: Iterable[str], names: Iterable[str] = TRUTH) -> list[tuple[str, str]]:
    """Name and title of each row of a table against the known truth.

    Args:
        scores: the names that were measured; a row without a score is left out, and the accuracy
            of each part follows that of all of them.
        names: which rows, in order.
    """
    measured = list(scores)
    rows: list[tuple[str, str]] = []
    for name in names:
        if name in measured:
            rows.append((name, METRICS[name].title))
        if name == "accuracy":
            parts = [score for score in measured if score.startswith(_PART)]
            rows += [(part, f"- {part.removeprefix(_PART)}") for part in parts]
    return rows
