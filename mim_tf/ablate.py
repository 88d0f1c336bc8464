"""The paper's ablation: ``python -m mim_tf.ablate --config birds.yaml --output DIR``.

Each row is the configuration with one thing changed, trained with the same budget into
``DIR/<row>``, measured like any run into ``DIR/<row>/evaluation``. ``DIR/table.md`` and
``DIR/edits.png`` put them side by side. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mim_tf.config import Config
from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_config_flags, add_evaluators_flag, add_seed_flag

if TYPE_CHECKING:
    from mim_tf.evaluation.measure import Task
    from mim_tf.evaluators.folder import Evaluators

# Row -> overrides; "literal-paper" is a layer of configuration.
ROWS: dict[str, tuple[str, ...]] = {
    "full": (),
    "without-memory": ("model.memory=false", "loss.m={coarse: 0, fine: 0}"),
    "without-L_m": ("loss.m={coarse: 0, fine: 0}",),
    "without-L_p": ("loss.p=0",),
    "without-L_m-and-L_p": ("loss.m={coarse: 0, fine: 0}", "loss.p=0"),
    "coarse-only": ("model.fine=false",),
    "without-TLU": ("model.tlu=false", "deviations.fuse=true"),
    "D_T-fake-only": ("deviations.D_T_fake=1", "deviations.D_T_mismatched=0"),
    "D_T-mismatched-only": ("deviations.D_T_fake=0", "deviations.D_T_mismatched=1"),
    "literal-paper": (),
    # What we added to the paper (README, "Where we differ").
    "without-warm-up": ("deviations.warm_up=0",),
    "without-word-gates": (
        "deviations.word_gates=false",
        "deviations.warm_up=0",
        "deviations.match=0",
    ),
    "without-perturb": ("deviations.perturb=0",),
    "without-composition": ("deviations.compose=false", "deviations.fuse=true"),
    "without-prior": ("deviations.alpha_prior=0",),
    "without-refined-alpha": ("deviations.refine_alpha=false",),
    "without-structure-skip": ("deviations.structure_skip=false",),
}
_SHOWN = 8  # birds in the picture grid
_COUNT = 500


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mim_tf.ablate", description="Ablation.")
    add_config_flags(parser, required=True)
    parser.add_argument(
        "--rows",
        metavar="ROW",
        nargs="+",
        choices=ROWS,
        default=list(ROWS),
        help=f"of {', '.join(ROWS)} (all)",
    )
    add_evaluators_flag(parser)
    parser.add_argument("--count", metavar="N", type=int, default=_COUNT, help="pairs a row")
    add_seed_flag(parser, "of pairs and candidates")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True)
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    configs = {row: _config(arguments, row) for row in arguments.rows}
    full = _config(arguments, "full")
    same = [row for row, config in configs.items() if row != "full" and config == full]
    for row in same:
        print(f"{row}: the configuration has it already, same as full", file=sys.stderr)
        del configs[row]
    if not configs:
        raise UserError("no row is left: all that were asked for are the same as full")

    from mim_tf.data.sources import load_source
    from mim_tf.evaluation.measure import Task
    from mim_tf.evaluation.pairs import draw_pairs
    from mim_tf.evaluators.folder import Evaluators
    from mim_tf.storage import replace_text

    evaluators = Evaluators.chosen(arguments.evaluators, full.data.source)
    source = load_source(full, "test")
    count = min(arguments.count, len(source))
    pairs = draw_pairs(full, source, "test", arguments.seed, count)
    task = Task(full, source, "test", pairs, full.model.fine_size, arguments.seed)
    rows: dict[str, dict[str, Any]] = {}
    for row, config in configs.items():
        rows[row] = _row(arguments.output / row, row, config, task, evaluators)
        # Written after every row: what is done can be looked at.
        text = _page(rows, same, full, task, evaluators)
        replace_text(arguments.output / "table.md", text)
        _grid(arguments.output, list(rows), task)
    print(text, end="")
    return 0


def _config(arguments: argparse.Namespace, row: str) -> Config:
    layers = [*arguments.config, *(["paper.yaml"] if row == "literal-paper" else [])]
    return load_config(*layers, overrides=[*arguments.set, *ROWS[row]])


def _row(
    path: Path, row: str, config: Config, task: Task, evaluators: Evaluators | None
) -> dict[str, Any]:
    """Train what is not trained yet, measure what is not measured yet."""
    from mim_tf.data.sources import load_source
    from mim_tf.evaluation.folders import write_edits, write_evaluation
    from mim_tf.evaluation.manifest import describe, manifest_differences
    from mim_tf.evaluation.measure import measure
    from mim_tf.evaluation.pairs import to_text
    from mim_tf.evaluation.task import edit_with
    from mim_tf.training.loop import train
    from mim_tf.training.start import open_or_start

    print(f"== {row}", file=sys.stderr)
    source = load_source(config, "train")
    run = open_or_start(path, config, source)
    train(run, source)
    output = path / "evaluation"
    originals = task.originals()
    edits, model = edit_with(run, task, originals)
    about = describe(task, originals, evaluators, model)
    if (output / "metrics.json").is_file():
        old = json.loads((output / "manifest.json").read_text("utf-8"))
        if not manifest_differences(old, about):
            return json.loads((output / "metrics.json").read_text("utf-8"))
    numbers, rows = measure(task, edits, originals, evaluators)
    write_edits(output / "images", task, edits, originals)
    write_evaluation(output, task, numbers, rows, about, to_text(task.pairs))
    return numbers


def _page(
    rows: dict[str, dict[str, Any]],
    same: list[str],
    full: Config,
    task: Task,
    evaluators: Evaluators | None,
) -> str:
    from mim_tf.evaluation import tables

    first = next(iter(rows.values()))
    table = {name: numbers["edited"] for name, numbers in rows.items()}
    table |= {"input copied": first["copied"], "real images, own captions": first["real"]}
    parts = [
        f"Every row: {full.train.steps or full.train.epochs} "
        f"{'steps' if full.train.steps else 'epochs'}, seed {full.train.seed}; "
        f"N = {len(task.pairs)} pairs at {task.size} px, test split.",
        tables.table(table, "row"),
    ]
    if "truth" in first:
        names = ("accuracy", "kept", "psnr", "ssim", "background", "iou")
        lines = [f"| row | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
        for row, numbers in rows.items():
            cells = [_cell(numbers["truth"].get(name)) for name in names]
            lines.append(f"| {row} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    if same:
        parts.append(f"Left out, because the configuration has it already: {', '.join(same)}.")
    parts.append(tables.evaluator_lines(evaluators.describe() if evaluators is not None else {}))
    return "\n\n".join(parts) + "\n"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _grid(output: Path, rows: Sequence[str], task: Task) -> None:
    """The same birds in every row's hands."""
    from mim_tf.pictures import files, sheets

    shown = task.pairs[:_SHOWN]
    inputs = output / rows[0] / "evaluation" / "inputs"
    cells = [
        [files.read(inputs / f"{pair.key}.png")]
        + [files.read(output / row / "evaluation" / "images" / f"{pair.key}.png") for row in rows]
        for pair in shown
    ]
    sheet = sheets.labelled_grid(cells, ["input", *rows], [pair.caption for pair in shown])
    files.write(output / "edits.png", sheet)


if __name__ == "__main__":
    sys.exit(main())
