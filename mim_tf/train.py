"""Train MIM-Net: ``python -m mim_tf.train --config birds.yaml``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.config_files import load_config
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_training_flags, command_parser
from mim_tf.onednn import prefer_onednn


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "train",
        "Train a model, or go on with a run.",
        "--config birds.yaml",
        "--config cub.yaml --set data.root=DIR --run runs/cub",
        "--run runs/birds --resume",
        "--config cub.yaml --set data.root=DIR --dry-run",
    )
    add_training_flags(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the configuration, what each part costs, memory and time; train nothing",
    )
    parser.add_argument(
        "--profile", action="store_true", help="write a profile of five steps for TensorBoard"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="show the curves meanwhile; prints the address"
    )
    return parser.parse_args(argv)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.config is None and not (arguments.run and arguments.resume):
        raise UserError("give --config NAME to start a run, or --run DIR --resume to go on")
    if arguments.resume and arguments.set:
        raise UserError("--resume goes on with the run's own configuration; leave out --set")
    if arguments.resume and arguments.run and arguments.config:
        raise UserError("--resume goes on with the run's own configuration; leave out --config")
    if arguments.resume and arguments.dry_run:
        raise UserError("--dry-run looks at a configuration: give --config in place of --resume")


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    _check(arguments)
    path = arguments.run or Path("runs") / "-".join(Path(name).stem for name in arguments.config)
    config = None
    if not arguments.resume:
        config = load_config(*arguments.config, overrides=arguments.set)

    prefer_onednn()
    # TensorFlow takes seconds to import: mistakes in the configuration are reported before.
    from mim_tf.training import dry_run, hooks, loop

    if config is not None and arguments.dry_run:
        print(dry_run.dry_run(config), end="")
        return 0
    curves = path / "tensorboard"
    if arguments.tensorboard:
        print(f"TensorBoard: {hooks.serve_tensorboard(curves)}", file=sys.stderr)
    profile = hooks.Profile(curves)
    watching = hooks.Hooks(before_step=profile) if arguments.profile else hooks.NO_HOOKS
    try:
        if config is None:
            loop.resume(path, watching)
        else:
            loop.start(path, config, watching)
    finally:
        profile.end()
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
