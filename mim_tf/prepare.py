"""Check a data set and write it as records: ``python -m mim_tf.prepare --config cub.yaml``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.config_files import load_config
from mim_tf.errors import entry_point
from mim_tf.flags import add_config_flags, command_parser


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "prepare",
        "Decode, crop and resize a data set's pictures once, into records that training reads.",
        "--config cub.yaml --set data.root=DIR",
    )
    add_config_flags(parser, required=True)
    parser.add_argument(
        "--output", metavar="DIR", type=Path,
        help="default: data.records, else records/<names of the configs>",
    )  # fmt: skip
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    config = load_config(*arguments.config, overrides=arguments.set)
    names = "-".join(Path(name).stem for name in arguments.config)
    folder = arguments.output or config.data.records or Path("records") / names

    # TensorFlow takes seconds to import: mistakes in the configuration are told before.
    from mim_tf.data.preparation import prepare

    prepare(config, folder)
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
