"""Edit pictures: ``python -m mim_tf.edit IMAGE TEXT``, or with flags for several at once."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags, command_parser
from mim_tf.pictures import files, pixels
from mim_tf.places import DEFAULT_PRESET

if TYPE_CHECKING:
    from mim_tf.editor import Editor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "edit",
        "Edit pictures by captions. Each edit's path is printed.",
        'bird.png "a bird with red wings"',
        '--run runs/birds --image a.jpg photos/ --text "red wings" "blue tail" --output edited/',
    )
    parser.add_argument("one_image", metavar="IMAGE", type=Path, nargs="?", help="a picture")
    parser.add_argument("one_text", metavar="TEXT", nargs="?", help="its caption")
    parser.add_argument(
        "--image", metavar="PATH", type=Path, nargs="+", default=[], help="pictures or folders"
    )
    parser.add_argument(
        "--text", metavar="CAPTION", nargs="+", default=[], help="one or several captions"
    )
    add_model_flags(parser, required=False)
    parser.add_argument(
        "--output",
        metavar="PATH",
        type=Path,
        default=Path(),
        help="a file for one picture and one caption, else a folder (default: this folder, "
        "IMAGE-TEXT.png)",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--keep-size",
        action="store_true",
        default=True,
        help="put the change into the picture at its own size (default)",
    )
    size.add_argument(
        "--model-size",
        dest="keep_size",
        action="store_false",
        help="write the square that the model sees, at the model's own size",
    )
    parser.add_argument("--show-alpha", action="store_true", help="write the alpha map beside it")
    parser.add_argument(
        "--backend",
        choices=("litert", "tensorflow"),
        help="what computes (default: litert where the model has its files, else tensorflow)",
    )
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    images, texts = _requests(arguments)
    paths = _pictures(images)
    outputs = _outputs(paths, texts, arguments.output)

    # The Editor's imports take longer than parsing: mistakes in the arguments are told before.
    from mim_tf.editor import load

    editor = load(arguments.run or arguments.preset or DEFAULT_PRESET, arguments.backend)
    editor.tokens(texts)  # a bad caption is told before anything is written
    for text in texts:
        for warning in editor.warnings(text):
            print(f"{text!r}: {warning}", file=sys.stderr)
    failures = 0
    for path in paths:
        try:
            _edit_picture(editor, path, texts, outputs, arguments)
        except UserError as error:
            if len(paths) == 1:
                raise
            # One bad picture of many is reported; the others are still edited.
            print(f"error: {error}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


def _requests(arguments: argparse.Namespace) -> tuple[list[Path], list[str]]:
    """Pictures and captions, from the positions or from the flags."""
    if arguments.one_image is None:
        if not arguments.image or not arguments.text:
            raise UserError("give IMAGE TEXT, or --image PATH ... and --text CAPTION ...")
        return arguments.image, arguments.text
    if arguments.image or arguments.one_text is None or arguments.text:
        raise UserError("give either IMAGE TEXT, with the caption in quotes, or --image and --text")
    return [arguments.one_image], [arguments.one_text]


def _edit_picture(
    editor: Editor,
    path: Path,
    texts: Sequence[str],
    outputs: dict[tuple[Path, str], Path],
    arguments: argparse.Namespace,
) -> None:
    """Edit one picture by every caption, write the results and print their paths."""
    picture = files.read(path)
    for text in texts:
        edit = editor.edit(picture, text, arguments.keep_size)
        output = outputs[path, text]
        files.write(output, edit.picture)
        print(output)
        if arguments.show_alpha:
            alpha = output.with_name(f"{output.stem}-alpha.png")
            files.write(alpha, pixels.as_picture(edit.alpha))
            print(alpha)


def _pictures(given: Sequence[Path]) -> list[Path]:
    """The files among the given paths and those inside the folders among them, each once."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            if not inside:
                raise UserError(f"{path}: the folder holds no {', '.join(SUFFIXES)} picture")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _outputs(
    paths: Sequence[Path], texts: Sequence[str], output: Path
) -> dict[tuple[Path, str], Path]:
    """Where each picture's edit by each caption goes; no two to the same file.

    Raises:
        UserError: the output is a file and there are several edits, has no suffix of a picture, or
            would replace one of the pictures.
    """
    single = len(paths) == 1 and len(texts) == 1
    if single and output.suffix.lower() in SUFFIXES and not output.is_dir():
        places = {(paths[0], texts[0]): output}
    elif output.suffix.lower() in SUFFIXES:
        raise UserError(
            f"--output {output}: there are {len(paths)} pictures and {len(texts)} captions; "
            "name a folder, and put each caption in quotes"
        )
    elif single and output.suffix and not output.is_dir():
        raise UserError(
            f"--output {output}: unknown picture suffix; use one of {', '.join(SUFFIXES)}"
        )
    else:
        places = _names(paths, texts, output)
    originals = {path.resolve() for path in paths}
    for place in places.values():
        if place.resolve() in originals:
            raise UserError(f"--output {place} is the picture itself; name another file")
    return places


def _names(
    paths: Sequence[Path], texts: Sequence[str], folder: Path
) -> dict[tuple[Path, str], Path]:
    """A file in a folder for each picture and caption, named after both."""
    places: dict[tuple[Path, str], Path] = {}
    taken: set[Path] = set()
    for path in paths:
        for text in dict.fromkeys(texts):
            words = "-".join(re.findall(r"\w+", text.lower()))[:60]
            name, count = f"{path.stem}-{words}", 1
            place = folder / f"{name}.png"
            while place in taken:
                count += 1
                place = folder / f"{name}-{count}.png"
            taken.add(place)
            places[path, text] = place
    return places


if __name__ == "__main__":
    sys.exit(main())
