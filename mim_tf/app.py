"""Type a sentence, see the edit: a page on which models run in the browser.

``python -m mim_tf.app`` serves it on this machine alone, with all presets to choose from;
``--export site/`` writes a folder that any web host serves, under any path. The picture never
leaves the browser.
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
from mim_tf.places import LITERT, find_model, preset_names


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "app",
        "A page that edits pictures in the browser, by one model or by any of the presets.",
        "",
        "--preset clothes-128 --export site",
    )
    add_model_flags(parser, required=False)
    parser.add_argument(
        "--export", metavar="DIR", type=Path, help="write a static folder, and serve nothing"
    )
    parser.add_argument("--port", type=int, default=8600, help="on 127.0.0.1 (8600)")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    models = [read_model(folder) for folder in _model_folders(arguments)]
    if arguments.export is not None:
        export(models, arguments.export)
        print(arguments.export)
        return 0
    server = make_server(models, arguments.port)
    print(f"http://127.0.0.1:{server.server_port}/ (end with Ctrl-C)", file=sys.stderr)
    with server:
        server.serve_forever()
    return 0


def _model_folders(arguments: argparse.Namespace) -> list[Path]:
    """Folders of LiteRT files."""
    if arguments.run is not None:
        return [_litert_of(find_model(arguments.run))]
    presets = preset_names() if arguments.preset is None else [arguments.preset]
    return [_litert_of(find_model(preset)) for preset in presets]


def _litert_of(folder: Path) -> Path:
    files = find_files(folder)
    if files is None:
        raise UserError(
            f"{folder} has no LiteRT files; write them: python -m mim_tf export tflite "
            f"--run {folder} --output {folder / LITERT}"
        )
    return files


if __name__ == "__main__":
    sys.exit(main())
