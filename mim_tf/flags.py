"""What commands share: how their parsers are made, and the flags that several of them have."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from mim_tf.errors import UserError


class _Parser(argparse.ArgumentParser):
    """Its errors are a user's mistakes like any other: one line, and exit code 1. A flag that takes
    several values and is repeated adds to them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in (None, "store"):
            self.register("action", name, _Gather)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments."""
        words = message.partition("unrecognized arguments: ")[2].split()
        if words and re.match(r"[a-z_]+\.\S+=", words[0]):
            message += "; repeat --set before each"
        elif words and not words[0].startswith("-"):
            message += "; put what has blanks in quotes, and several values after their flag"
        raise UserError(f"{message}; see {self.prog} --help")


class _Gather(argparse.Action):
    """Stores a value, or the values of all uses of a flag that takes several."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if self.nargs == "+":
            earlier = getattr(namespace, self.dest)
            values = [*(() if earlier is self.default else earlier), *values]
        setattr(namespace, self.dest, values)


def command_parser(name: str, description: str, *examples: str) -> argparse.ArgumentParser:
    """The parser of a command, still without its flags.

    Args:
        name: of the module: ``train`` for ``python -m mim_tf.train``, or ``export.tflite`` in full.
        description: what the command does, in one or a few sentences.
        examples: the arguments of calls that work, without the command itself; the help ends with
            them. A long one may go over several lines, each but the last ending in a backslash.
    """
    program = f"python -m {name if '.' in name else f'mim_tf.{name}'}"
    if Path(sys.argv[0]).stem == "mim" and "serving" not in name:
        program = f"mim {name.replace('.', ' ').replace('_', '-')}"
    lines = "".join(f"\n  {program} {example}".rstrip() for example in examples)
    return _Parser(
        prog=program,
        description=description,
        epilog=f"{'example' if len(examples) == 1 else 'examples'}:{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_config_flags(parser: argparse.ArgumentParser, **options: Any) -> None:
    """``--config NAME ...`` and ``--set SECTION.KEY=VALUE``, for commands that begin a run.

    Args:
        options: arguments of argparse for ``--config``, as ``required`` or ``help``.
    """
    options = {"help": "YAML files, here or in configs/, in layers", **options}
    parser.add_argument("--config", metavar="NAME", nargs="+", **options)
    parser.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help="override"
    )


def add_training_flags(parser: argparse.ArgumentParser) -> None:
    """:func:`add_config_flags`, and ``--run DIR`` and ``--resume``, for training commands."""
    add_config_flags(parser)
    parser.add_argument(
        "--run", metavar="DIR", type=Path, help="default: runs/<names of the configs>"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")


def add_model_flags(parser: argparse.ArgumentParser, required: bool = True):
    """``--run DIR`` or ``--preset NAME``, for commands that use a trained model.

    Returns:
        Their mutually exclusive group, to which a command may add an alternative.
    """
    model = parser.add_mutually_exclusive_group(required=required)
    model.add_argument("--run", metavar="DIR", type=Path, help="a run directory")
    model.add_argument(
        "--preset",
        metavar="NAME",
        help="weights that ship with the project; a wrong name lists them",
    )
    return model


def add_evaluators_flag(parser: argparse.ArgumentParser) -> None:
    """``--evaluators DIR|none``, for commands that measure."""
    parser.add_argument(
        "--evaluators",
        metavar="DIR|none",
        help="made by mim_tf.pretrain; default: shipped ones, then runs/evaluators-SOURCE",
    )


def check_count(count: int | None) -> None:
    """Refuse a ``--count`` of no pairs.

    Raises:
        UserError: it is below 1.
    """
    if count is not None and count < 1:
        raise UserError(f"--count {count}: give 1 or more")


def add_seed_flag(parser: argparse.ArgumentParser, what: str, default: int | None = 0) -> None:
    """``--seed N``, a whole number from 0; ``what`` is its help text."""
    parser.add_argument("--seed", metavar="N", type=_seed, default=default, help=what)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)
