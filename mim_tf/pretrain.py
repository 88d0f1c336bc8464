"""Train the evaluators: ``python -m mim_tf.pretrain --config evaluators/birds.yaml``.

Evaluators are the reference models behind the metrics: DAMSM measures Sim, MP and R-precision, the
classifier IS and FID. Their own scores on real pictures that training never saw, R-precision and
accuracy, are printed at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.config_files import load_kind
from mim_tf.errors import UserError, entry_point
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.flags import add_training_flags, command_parser
from mim_tf.onednn import prefer_onednn


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "pretrain",
        "Train the evaluators, the reference models that evaluation measures with.",
        "--config evaluators/birds.yaml",
        "--run runs/evaluators-birds --resume",
    )
    add_training_flags(parser)
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.config is None and arguments.run is None:
        raise UserError("give --config NAME to start, or --run DIR --resume to go on")
    if arguments.config is None and not arguments.resume:
        raise UserError("give --config NAME, or --resume to go on")
    if arguments.resume and arguments.config and arguments.run:
        raise UserError("--resume goes on with the configuration in --run; leave out --config")
    if arguments.resume and arguments.set:
        raise UserError("--resume goes on with the evaluators' own configuration; leave out --set")
    folder = arguments.run
    if arguments.config is not None:
        config = load_kind(PretrainConfig, *arguments.config, overrides=arguments.set)
        names = "-".join(Path(name).stem for name in arguments.config)
        folder = folder or Path("runs") / f"evaluators-{names}"

    prefer_onednn()
    from mim_tf.evaluators.training import pretrain, start

    if not arguments.resume:
        start(folder, config)
    scores = pretrain(folder)
    print(json.dumps({"evaluators": str(folder), **scores}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
