"""The results page of a run: ``python -m mim_tf.report --run RUN --output report.html``.

One self-contained page: curves, samples over training time, Table 1, the memories, best and worst
edits by each metric. It reads the run and an evaluation of it that kept its pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags, command_parser


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "report",
        "Put the curves, samples, table, memories, and best and worst edits of a run on one page.",
        "--run demo/run --evaluation evaluation --output report.html",
        "--preset birds-64",
    )
    add_model_flags(parser)
    parser.add_argument(
        "--evaluation",
        metavar="DIR",
        type=Path,
        help="made by mim_tf.evaluate --keep-images; default: evaluation, in the run or preset",
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        type=Path,
        help="a .html file; default: RUN/report.html, or report.html here for a preset",
    )
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    output = arguments.output
    if output is not None and output.suffix.lower() != ".html":
        raise UserError(f"--output {output}: the page is a .html file")

    from mim_tf.pages.report import write_report

    print(write_report(arguments.run, arguments.preset, arguments.evaluation, output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
