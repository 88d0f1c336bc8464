"""The human study of the paper's Table 2.

``python -m mim_tf.study --images ours=DIR other=DIR --pairs FILE --output study.html`` writes one
page that needs no server: pairs in random order, methods blinded, three questions with five ranks,
answers saved as a JSON file. ``study-key.json`` beside it says which picture is whose: keep it.

``python -m mim_tf.study --answers FILE... --key study-key.json`` reads the answers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_seed_flag, command_parser

PAIRS = 30  # the paper's number of pairs


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "study",
        "Make the page of a human study, or read its answers.",
        "--images ours=A/images other=B/images --pairs A/pairs.jsonl \\\n      --output study.html",
        "--answers answers-1.json answers-2.json --key study-key.json",
    )
    parser.add_argument(
        "--images", metavar="METHOD=DIR", nargs="+", help="edited pictures of each method"
    )
    parser.add_argument(
        "--pairs", metavar="FILE", type=Path, help="pairs.jsonl, with the inputs in inputs/ beside"
    )
    parser.add_argument(
        "--count", metavar="N", type=int, default=PAIRS, help=f"pairs to show (default: {PAIRS})"
    )
    add_seed_flag(parser, "of the choice of pairs")
    parser.add_argument("--output", metavar="PATH", type=Path, help="the page, .html")
    parser.add_argument("--answers", metavar="FILE", type=Path, nargs="+", help="read these")
    parser.add_argument("--key", metavar="FILE", type=Path, help="study-key.json of the page")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.answers:
        if not arguments.key:
            raise UserError("--answers needs --key FILE: study-key.json, written beside the page")
    elif not (arguments.images and arguments.pairs and arguments.output):
        raise UserError(
            "give --images METHOD=DIR... --pairs FILE --output PAGE.html to make a study, "
            "or --answers FILE... --key FILE to read one"
        )
    elif arguments.output.suffix.lower() != ".html":
        raise UserError(f"--output {arguments.output}: the page is a .html file")
    methods = _methods(arguments.images or [])

    from mim_tf.pages.study import study_results, write_study

    if arguments.answers:
        print(study_results(arguments.answers, arguments.key))
        return 0
    key = write_study(methods, arguments.pairs, arguments.count, arguments.seed, arguments.output)
    print(f"page: {arguments.output}\nkey:  {key}  (not for the raters)")
    return 0


def _methods(given: Sequence[str]) -> dict[str, Path]:
    """``METHOD=DIR`` texts as method -> folder."""
    methods: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not equals or not name or name in methods:
            raise UserError(f"--images {text}: expected METHOD=DIR, each method once")
        if not Path(folder).is_dir():
            raise UserError(f"--images {text}: there is no folder {folder}")
        methods[name] = Path(folder)
    return methods


if __name__ == "__main__":
    sys.exit(main())
