"""The paper's ablation: train and measure each row's configuration, put the rows side by side."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf import json_text
from mim_tf.config import Config
from mim_tf.data.sources import load_raw, load_source
from mim_tf.evaluation import tables
from mim_tf.evaluation.folders import METRICS, write_edits, write_evaluation
from mim_tf.evaluation.manifest import describe, manifest_differences
from mim_tf.evaluation.measure import measure
from mim_tf.evaluation.pairs import draw_pairs, to_text
from mim_tf.evaluation.targeted import draw_targeted
from mim_tf.evaluation.task import Task, edit_with
from mim_tf.evaluators.folder import Evaluators
from mim_tf.pictures import files, sheets
from mim_tf.storage import replace_text
from mim_tf.training.loop import train
from mim_tf.training.start import open_or_start

_SHOWN = 8  # pairs in the sheet of edits
_TRUTH_COLUMNS = ("accuracy", "kept", "psnr", "ssim", "background", "iou")


@dataclass(frozen=True)
class Ablation:
    """What all rows share.

    Attributes:
        full: the configuration that every row changes.
        task: what each row's model edits.
        evaluators: which measure the edits; None for none.
        output: folder of the rows, each a run directory with its ``evaluation``.
        left_out: names of rows that are the same as the full configuration.
        numbers: row -> what :func:`measure` found, for the rows that are done.
    """

    full: Config
    task: Task
    evaluators: Evaluators | None
    output: Path
    left_out: Sequence[str]
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)


def run_ablation(
    full: Config,
    rows: Mapping[str, Config],
    left_out: Sequence[str],
    evaluators: str | None,
    count: int | None,
    seed: int,
    output: Path,
    *,
    targeted: bool = False,
) -> str:
    """Train what is not trained yet, measure what is not measured yet.

    Args:
        full: the configuration that the rows change; its test split is edited.
        rows: row -> its configuration.
        left_out: rows that are the same as ``full``, named below the table.
        evaluators: as ``--evaluators`` names them.
        count: number of pairs, at most; a smaller split gives all of its own; None: all.
        seed: of pairs and of R-precision's candidates.
        output: folder for the rows, ``table.md`` and ``edits.png``.
        targeted: measure targeted edits of photographs (:mod:`mim_tf.evaluation.targeted`).

    Returns:
        The text of ``table.md``.

    Raises:
        UserError: no such evaluators, nothing that can be measured, or a row's folder holds another
            configuration.
    """
    opened = Evaluators.chosen(evaluators, full.data.kind, needed=not targeted)
    size = full.model.fine_size
    if targeted:
        source = load_raw(full.data, "test")  # records hold no marks
        pairs = draw_targeted(source, seed, count, size, opened)
    else:
        source = load_source(full, "test")
        pairs = draw_pairs(source, seed, count and min(count, len(source)))
    task = Task(source, pairs, size, seed, targeted)
    ablation = Ablation(full, task, opened, output, left_out)
    text = ""
    for row, config in rows.items():
        print(f"== {row}", file=sys.stderr)
        ablation.numbers[row] = _measure_row(ablation, output / row, config)
        # Written after every row, so that finished rows can be looked at while others train.
        text = _table(ablation)
        replace_text(output / "table.md", text)
        files.write(output / "edits.png", _edits(ablation))
    return text


def _measure_row(ablation: Ablation, path: Path, config: Config) -> dict[str, Any]:
    """Train a row's run to its end and measure it, as far as that has not been done."""
    source = load_source(config, "train")
    run = open_or_start(path, config, source)
    train(run, source)
    task, output = ablation.task, path / "evaluation"
    originals = task.originals()
    edits, model = edit_with(run, task, originals)
    manifest = describe(task, originals, ablation.evaluators, model)
    if (output / METRICS).is_file():
        earlier = json_text.read(output / "manifest.json")
        if not manifest_differences(earlier, manifest):
            return json_text.read(output / METRICS)
    numbers, rows = measure(task, edits, originals, ablation.evaluators)
    write_edits(output / "images", task, edits, originals)
    write_evaluation(output, task, numbers, rows, manifest, to_text(task.pairs))
    return numbers


def _table(ablation: Ablation) -> str:
    """``table.md``: the rows in the form of Table 1, against the truth where it is known, and what
    the evaluators were."""
    numbers, task, train_config = ablation.numbers, ablation.task, ablation.full.train
    warm_up = ablation.full.deviations.warm_up
    first = next(iter(numbers.values()))
    table = {row: found["edited"] for row, found in numbers.items()}
    table |= {"input copied": first["copied"], "real images, own captions": first["real"]}
    budget = (
        f"{train_config.steps} steps" if train_config.steps else f"{train_config.epochs} epochs"
    )
    if warm_up:
        budget += f" after a warm-up of at most {warm_up}, which rows without one have as steps"
    parts = [
        f"Every row: {budget}, seed {train_config.seed}; "
        f"N = {len(task.pairs)} pairs at {task.size} px, test split.",
        tables.table(table, "row"),
    ]
    if "truth" in first:
        parts.append(_truth_table({row: found["truth"] for row, found in numbers.items()}))
    if "targeted" in first:
        found_of = {row: found["targeted"] for row, found in numbers.items()}
        parts.append(tables.targeted_table(found_of))
    if ablation.left_out:
        rows = ", ".join(ablation.left_out)
        parts.append(f"Left out, because the configuration has it already: {rows}.")
    evaluators = ablation.evaluators
    parts.append(tables.evaluator_lines({} if evaluators is None else evaluators.describe()))
    return "\n\n".join(parts) + "\n"


def _truth_table(rows: Mapping[str, Mapping[str, float | None]]) -> str:
    """Scores against the known truth in Markdown; a dash for what a row does not have."""
    lines = [
        f"| row | {' | '.join(_TRUTH_COLUMNS)} |",
        "| --- |" + " ---: |" * len(_TRUTH_COLUMNS),
    ]
    for row, scores in rows.items():
        values = [scores.get(name) for name in _TRUTH_COLUMNS]
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _edits(ablation: Ablation) -> np.ndarray:
    """A sheet of the same pairs, edited by every row's model: uint8 [H, W, 3]."""
    output, rows = ablation.output, list(ablation.numbers)
    shown = ablation.task.pairs[:_SHOWN]
    folders = [output / rows[0] / "evaluation" / "inputs"]
    folders += [output / row / "evaluation" / "images" for row in rows]
    cells = [[files.read(folder / f"{pair.key}.png") for folder in folders] for pair in shown]
    return sheets.labelled_grid(cells, ["input", *rows], [pair.caption for pair in shown])
