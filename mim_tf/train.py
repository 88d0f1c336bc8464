"""Train MIM-Net: ``python -m mim_tf.train --config birds.yaml``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_training_flags, command_parser


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "train",
        "Train a model, or go on with a run.",
        "--config birds.yaml",
        "--config cub.yaml --set data.root=DIR --run runs/cub",
        "--run runs/birds --resume",
    )
    add_training_flags(parser)
    return parser.parse_args(argv)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.config is None and not (arguments.run and arguments.resume):
        raise UserError("give --config NAME to start a run, or --run DIR --resume to go on")
    if arguments.resume and arguments.set:
        raise UserError("--resume goes on with the run's own configuration; leave out --set")
    if arguments.resume and arguments.run and arguments.config:
        raise UserError("--resume goes on with the run's own configuration; leave out --config")


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    _check(arguments)
    path = arguments.run or Path("runs") / "-".join(Path(name).stem for name in arguments.config)
    config = None
    if not arguments.resume:
        config = load_config(*arguments.config, overrides=arguments.set)

    # TensorFlow takes seconds to import: mistakes in the configuration are reported before.
    from mim_tf.training.loop import resume, start

    run = resume(path) if config is None else start(path, config)
    print(run.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
