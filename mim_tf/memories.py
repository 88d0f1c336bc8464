"""Show the memories: ``python -m mim_tf.memories --run RUN --output sheet.png [--text ...]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags, command_parser


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "memories",
        "Paint every memory alone on a few pictures, and show which memories words read.",
        '--preset birds-64 --text "a bird with red wings" --output sheet.png',
    )
    add_model_flags(parser)
    parser.add_argument(
        "--image", metavar="PATH", type=Path, nargs="+", help="default: pictures of the test split"
    )
    parser.add_argument(
        "--text",
        metavar="CAPTION",
        nargs="+",
        default=[],
        help="show which memories each word reads",
    )
    parser.add_argument(
        "--output", metavar="PATH", type=Path, required=True, help="the sheet, a .png file"
    )
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.output.suffix.lower() != ".png":
        raise UserError(f"--output {arguments.output}: the sheet is a .png")

    from mim_tf.pages.memory_sheet import write_memory_sheet

    readings = write_memory_sheet(
        arguments.run, arguments.preset, arguments.image, arguments.text, arguments.output
    )
    for text, reading in zip(arguments.text, readings, strict=True):
        print("\n".join([text, *reading.lines(), ""]))
    print(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
