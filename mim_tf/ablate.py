"""The paper's ablation: ``python -m mim_tf.ablate --config birds.yaml --output DIR``.

Each row is the configuration with one thing changed, trained with the same budget into
``DIR/<row>``, measured like any run into ``DIR/<row>/evaluation``. ``DIR/table.md`` and
``DIR/edits.png`` put them side by side. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.config import Config
from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import (
    add_config_flags,
    add_evaluators_flag,
    add_seed_flag,
    check_count,
    command_parser,
)
from mim_tf.onednn import prefer_onednn

# Row -> overrides of the full configuration; "literal-paper" adds the layer paper.yaml instead.
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
    "literal-paper": (),  # of photographs, also without data.recoloured
    # What we added to the paper (docs/deviations.md).
    "without-warm-up": ("deviations.warm_up=0",),
    "without-word-gates": (
        "deviations.word_gates=false",
        "deviations.warm_up=0",
        "deviations.match=0",
        "deviations.where=0",
    ),
    "without-perturb": ("deviations.perturb=0",),
    "without-composition": ("deviations.compose=false", "deviations.fuse=true"),
    "without-prior": ("deviations.alpha_prior=0",),
    "without-refined-alpha": ("deviations.refine_alpha=false",),
    "without-structure-skip": ("deviations.structure_skip=false",),
    # What photographs need besides.
    "without-L_where": ("deviations.where=0",),
    "without-kept-detail": ("deviations.keep_detail=false",),
    "small-encoder": ("model.encoder=small",),
}
_COUNT = 500  # pairs of each row


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "ablate",
        "Train and measure the configuration with one thing changed in each row, and put the rows "
        "side by side. Stopped, the same command goes on.",
        "--config birds.yaml birds-ablation.yaml --output runs/ablation",
        "--config birds.yaml --rows full without-memory --output runs/ablation",
        "--config clothes.yaml photo-ablation.yaml --set data.root=DIR --targeted --output DIR",
    )
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
    parser.add_argument(
        "--targeted",
        action="store_true",
        help="photographs: measure every row by targeted edits, as mim_tf.evaluate does",
    )
    parser.add_argument(
        "--count",
        metavar="N",
        type=int,
        help=f"pairs a row (default: {_COUNT}, or all photographs that --targeted finds)",
    )
    add_seed_flag(parser, "of pairs and candidates")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True)
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    check_count(arguments.count)
    full = row_config("full", arguments.config, arguments.set)
    rows = {row: row_config(row, arguments.config, arguments.set) for row in arguments.rows}
    left_out = [row for row, config in rows.items() if row != "full" and config == full]
    for row in left_out:
        print(f"{row}: the configuration has it already, same as full", file=sys.stderr)
        del rows[row]
    if not rows:
        raise UserError("no row is left: all that were asked for are the same as full")

    prefer_onednn()
    from mim_tf.evaluation.ablation import run_ablation

    default = None if arguments.targeted else _COUNT
    text = run_ablation(
        full,
        rows,
        left_out,
        arguments.evaluators,
        default if arguments.count is None else arguments.count,
        arguments.seed,
        arguments.output,
        targeted=arguments.targeted,
    )
    print(text, end="")
    return 0


def row_config(row: str, names: Sequence[str], overrides: Sequence[str]) -> Config:
    """The configuration of a row, with the budget of all: a row without the warm-up has its steps
    besides.

    Args:
        row: of ROWS.
        names, overrides: of the full configuration, as ``--config`` and ``--set`` give them.
    """
    full = load_config(*names, overrides=overrides)
    literal = row == "literal-paper"
    layers = [*names, *(["paper.yaml"] if literal else [])]
    own = [*overrides, *ROWS[row], *(full.data.unpaired() if literal else ())]
    config = load_config(*layers, overrides=own)
    left = full.deviations.warm_up - config.deviations.warm_up
    if left and config.train.steps:
        config = load_config(*layers, overrides=[*own, f"train.steps={config.train.steps + left}"])
    return config


if __name__ == "__main__":
    sys.exit(main())
