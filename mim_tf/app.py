"""Type a sentence, see the edit: a page on which a model runs in the browser.

``python -m mim_tf.app --preset birds-64`` serves it on this machine alone; ``--export site/``
writes a folder that any web host serves, under any path. The picture never leaves the browser.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mim_tf.backends.litert import find_files
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags, command_parser
from mim_tf.pages.app import export, make_server, read_model
from mim_tf.places import LITERT, find_model


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "app",
        "A page that edits pictures in the browser.",
        "--preset birds-64",
        "--preset birds-64 --export site",
    )
    add_model_flags(parser)
    parser.add_argument(
        "--export", metavar="DIR", type=Path, help="write a static folder, and serve nothing"
    )
    parser.add_argument("--port", type=int, default=8600, help="on 127.0.0.1 (8600)")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    model = read_model(_model_folder(arguments))
    if arguments.export is not None:
        export(model, arguments.export)
        print(arguments.export)
        return 0
    server = make_server(model, arguments.port)
    print(f"http://127.0.0.1:{server.server_port}/ (end with Ctrl-C)", file=sys.stderr)
    with server:
        server.serve_forever()
    return 0


def _model_folder(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.run or find_model(arguments.preset)
    files = find_files(folder)
    if files is None:
        raise UserError(
            f"{folder} has no LiteRT files; write them: python -m mim_tf export tflite "
            f"--run {folder} --output {folder / LITERT}"
        )
    return files


if __name__ == "__main__":
    sys.exit(main())
