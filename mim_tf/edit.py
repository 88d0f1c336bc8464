"""Edit pictures: ``python -m mim_tf.edit --run RUN --image IN --text "..." --output OUT``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags

if TYPE_CHECKING:
    from mim_tf.editor import Edit, Editor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mim_tf.edit", description=__doc__)
    add_model_flags(parser)
    parser.add_argument(
        "--image", metavar="PATH", type=Path, nargs="+", required=True, help="pictures or folders"
    )
    parser.add_argument(
        "--text", metavar="CAPTION", nargs="+", required=True, help="one or several captions"
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        type=Path,
        required=True,
        help="a file for one picture and one caption, else a folder",
    )
    parser.add_argument(
        "--keep-size", action="store_true", help="put the change back at the original resolution"
    )
    parser.add_argument("--show-alpha", action="store_true", help="write the alpha map beside it")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    paths = _pictures(arguments.image)
    outputs = _outputs(paths, arguments.text, arguments.output)

    from mim_tf.editor import Editor
    from mim_tf.run import Run

    run = Run.chosen(arguments.run, arguments.preset)
    editor = Editor(run)
    editor.tokens(arguments.text)  # a bad caption is told before anything is written
    for text in arguments.text:
        if unknown := run.vocabulary.unknown(text):
            print(f"{text!r}: the model does not know {', '.join(unknown)}", file=sys.stderr)
    failures = 0
    for path in paths:
        try:
            _edit_one(editor, path, arguments, outputs)
        except UserError as error:
            if len(paths) == 1:
                raise
            # One bad picture of many is reported; the others are still edited.
            print(f"error: {error}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


def _edit_one(
    editor: Editor,
    path: Path,
    arguments: argparse.Namespace,
    outputs: dict[tuple[Path, str], Path],
) -> None:
    from mim_tf.pictures import files, pixels

    picture = files.read(path)
    for text in arguments.text:
        edit: Edit = editor.edit(picture, text, arguments.keep_size)
        output = outputs[path, text]
        files.write(output, edit.picture)
        print(output)
        if arguments.show_alpha:
            alpha = output.with_name(f"{output.stem}-alpha.png")
            files.write(alpha, pixels.as_picture(edit.alpha))
            print(alpha)


def _pictures(given: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES)
            if not inside:
                raise UserError(f"{path}: the folder holds no {', '.join(SUFFIXES)} picture")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _outputs(
    paths: Sequence[Path], texts: Sequence[str], output: Path
) -> dict[tuple[Path, str], Path]:
    """Where each picture's edit by each caption goes; no two to the same file."""
    single = len(paths) == 1 and len(texts) == 1
    if single and output.suffix.lower() in SUFFIXES and not output.is_dir():
        if output.resolve() == paths[0].resolve():
            raise UserError(f"--output {output} is the picture itself; name another file")
        return {(paths[0], texts[0]): output}
    if output.suffix.lower() in SUFFIXES:
        raise UserError(
            f"--output {output}: there are {len(paths)} pictures and {len(texts)} captions; "
            "name a folder, and put each caption in quotes"
        )
    if single and output.suffix:
        raise UserError(
            f"--output {output}: unknown picture suffix; use one of {', '.join(SUFFIXES)}"
        )
    places: dict[tuple[Path, str], Path] = {}
    taken: set[Path] = set()
    for path in paths:
        for text in dict.fromkeys(texts):
            words = "-".join(re.findall(r"\w+", text.lower()))[:60]
            name, count = f"{path.stem}-{words}", 1
            place = output / f"{name}.png"
            while place in taken:
                count += 1
                place = output / f"{name}-{count}.png"
            taken.add(place)
            places[path, text] = place
    return places


if __name__ == "__main__":
    sys.exit(main())
