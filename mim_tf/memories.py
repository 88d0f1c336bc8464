"""Show the memories: ``python -m mim_tf.memories --run RUN --output sheet.png [--text ...]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags

_SHOWN = 4


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mim_tf.memories", description="Paint every memory, and show who reads it."
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
    parser.add_argument("--output", metavar="PATH", type=Path, required=True)
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.output.suffix.lower() != ".png":
        raise UserError(f"--output {arguments.output}: the sheet is a .png")

    from mim_tf.editor import Editor
    from mim_tf.pages import memory_sheet
    from mim_tf.pictures import files
    from mim_tf.run import Run

    run = Run.chosen(arguments.run, arguments.preset)
    editor = Editor(run)
    readings = [memory_sheet.read_memories(editor, text) for text in arguments.text]
    if arguments.image:
        pictures = [files.read(path) for path in arguments.image]
    else:
        pictures, _ = memory_sheet.test_pictures(editor, _SHOWN)
    files.write(arguments.output, memory_sheet.sheet(editor, pictures, readings))
    for text, reading in zip(arguments.text, readings, strict=True):
        print("\n".join([text, *reading.lines(), ""]))
    print(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
