"""Measure a model: ``python -m mim_tf.evaluate --run RUN --evaluators DIR --output DIR``.

Writes ``metrics.json``, ``table.md``, ``manifest.json``, ``pairs.jsonl`` and ``scores.jsonl`` (one
row a pair). With ``--images FOLDER --pairs FILE`` it measures pictures that any program made, with
``--targeted`` edits of photographs that ask one thing each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import (
    add_config_flags,
    add_evaluators_flag,
    add_model_flags,
    add_seed_flag,
    check_count,
    command_parser,
)

_LEAST, _MOST = 16, 1024  # pixels


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "evaluate",
        "Measure a model, or edited pictures.",
        "--preset birds-64 --count 500 --output evaluation",
        "--preset birds-64 --targeted --config cub-targeted.yaml --set data.root=DIR \\\n"
        "      --count 200 --output targeted",
        "--images THEIRS --pairs evaluation/pairs.jsonl --output theirs",
    )
    add_model_flags(parser, required=False)
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        help="measure DIR/KEY.png in place of a model's edits; needs --pairs, beside which "
        "manifest.json says where the inputs come from",
    )
    parser.add_argument("--pairs", metavar="FILE", type=Path, help="use these pairs; draw none")
    parser.add_argument(
        "--targeted",
        action="store_true",
        help="photographs: each caption asks one thing that the picture does not have; measure "
        "whether it came, what else changed, and the detail that was kept",
    )
    add_config_flags(parser, help="measure on the data of these YAML files, not on the model's own")
    parser.add_argument("--split", choices=("train", "test"), help="default: test")
    parser.add_argument(
        "--size",
        metavar="PIXELS",
        type=_size,
        help="side of the pictures that are edited and measured; larger than the model's, the "
        "change is put into them as users get it; default: the model's size",
    )
    parser.add_argument("--count", metavar="N", type=int, help="pairs to draw; default: all")
    add_seed_flag(parser, "of pairs and candidates; default: 0", default=None)
    add_evaluators_flag(parser)
    parser.add_argument("--data-root", metavar="DIR", help="where the data set lies here")
    parser.add_argument("--keep-images", action="store_true", help="keep inputs and edits")
    parser.add_argument(
        "--manifest", metavar="FILE", type=Path, help="repeat this evaluation, or say what differs"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True)
    return parser.parse_args(argv)


def _size(text: str) -> int:
    if not text.isdecimal() or not _LEAST <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {_LEAST} to {_MOST}")
    return int(text)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.images and not arguments.pairs:
        raise UserError("--images needs --pairs FILE: the pairs whose keys name the pictures")
    if not (arguments.run or arguments.preset or arguments.images):
        raise UserError("give --run DIR, --preset NAME, or --images DIR --pairs FILE")
    if arguments.config and arguments.images:
        raise UserError("--config says on which data a model is measured; with --images leave it "
                        "out: manifest.json beside the pairs says it")  # fmt: skip
    if arguments.count is not None and arguments.pairs:
        raise UserError("--count: the pairs of --pairs are measured all; leave it out")
    check_count(arguments.count)
    if arguments.size and arguments.images:
        raise UserError("--size: the pictures of --images have theirs; leave it out")
    if arguments.set and not arguments.config:
        raise UserError("--set changes what --config gives; give --config NAME, or leave it out")
    if arguments.output.exists() and not arguments.output.is_dir():
        raise UserError(f"--output {arguments.output} is a file; name a folder")

    # TensorFlow takes seconds to import: mistakes in the flags are told before.
    from mim_tf.evaluation.protocol import evaluate

    print(evaluate(arguments), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
