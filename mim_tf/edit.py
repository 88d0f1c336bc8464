"""Edit pictures: ``python -m mim_tf.edit IMAGE TEXT``, or with flags for several at once."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mim_tf.captions import HARDLY_CHANGED
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import add_model_flags, command_parser
from mim_tf.pictures import files, pixels
from mim_tf.places import DEFAULT_PRESET
from mim_tf.progress import Progress

if TYPE_CHECKING:
    from mim_tf.editor import Editor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser(
        "edit",
        f"Edit pictures by captions, with {DEFAULT_PRESET} unless told otherwise. Each edit's path "
        "is printed.",
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
        "IMAGE-TEXT with the picture's suffix)",
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
    parser.add_argument(
        "--strength",
        metavar="0..1.5",
        type=float,
        default=1.0,
        help="scale the change (default: 1, the model's own)",
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="edit by a caption of which no known word says what to change to",
    )
    parser.add_argument("--show-alpha", action="store_true", help="write the alpha map beside it")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that are there already"
    )
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
    pixels.check_strength(arguments.strength)
    paths = _pictures(images)
    outputs = _outputs(paths, texts, arguments.output, show_alpha=arguments.show_alpha)
    _check_outputs(paths, outputs, show_alpha=arguments.show_alpha, overwrite=arguments.overwrite)

    # The Editor's imports take longer than parsing: mistakes in the arguments are told before.
    from mim_tf.editor import load

    editor = load(arguments.run or arguments.preset or DEFAULT_PRESET, arguments.backend)
    try:  # before anything is written
        editor.check(texts, anyway=arguments.anyway)
    except UserError as error:
        raise UserError(str(error).replace("'anyway'", "--anyway")) from None
    for text in texts:
        for warning in editor.warnings(text):
            print(f"{text!r}: {warning}", file=sys.stderr)
    failures = 0
    progress = Progress(paths, "editing", "picture")
    for path in progress:
        try:
            _edit_picture(editor, path, texts, outputs, arguments, progress.tell)
        except UserError as error:
            if len(paths) == 1:
                raise
            # One bad picture of many is reported; the others are still edited.
            progress.tell(f"error: {error}", sys.stderr)
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
    tell: Callable[..., None],
) -> None:
    """Edit one picture by every caption, write the results and tell their paths."""
    picture, extras = files.with_extras(path)
    for text in texts:
        edit = editor.edit(picture, text, arguments.keep_size, arguments.strength)
        output = outputs[path, text]
        files.write(output, edit.picture, extras)
        tell(str(output))
        if HARDLY_CHANGED in edit.warnings:
            tell(f"{path}, {text!r}: {HARDLY_CHANGED}", sys.stderr)
        if arguments.show_alpha:
            alpha = _alpha_beside(output)
            files.write(alpha, pixels.as_picture(edit.alpha))
            tell(str(alpha))


def _pictures(given: Sequence[Path]) -> list[Path]:
    """The files among the given paths and those inside the folders among them, each once."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            if not inside:
                raise UserError(f"{path}: the folder holds no {', '.join(SUFFIXES)} picture")
            found += inside
        elif os.path.lexists(path):
            found.append(path)
        else:
            raise UserError(f"{path}: there is no such file")
    return list(dict.fromkeys(found))


def _alpha_beside(output: Path) -> Path:
    """Where the alpha map of an edit goes."""
    return output.with_name(f"{output.stem}-alpha.png")


def _outputs(
    paths: Sequence[Path], texts: Sequence[str], output: Path, *, show_alpha: bool
) -> dict[tuple[Path, str], Path]:
    """Where each picture's edit by each caption goes; no two edits to the same file.

    Raises:
        UserError: the output is a file and there are several edits, or has no suffix of a picture.
    """
    single = len(paths) == 1 and len(texts) == 1
    if single and output.suffix.lower() in SUFFIXES and not output.is_dir():
        return {(paths[0], texts[0]): output}
    if output.suffix.lower() in SUFFIXES:
        raise UserError(
            f"--output {output}: there are {len(paths)} pictures and {len(texts)} captions; "
            "name a folder, and put each caption in quotes"
        )
    if single and output.suffix and not output.is_dir():
        raise UserError(
            f"--output {output}: unknown picture suffix; use one of {', '.join(SUFFIXES)}"
        )
    return _names(paths, texts, output, show_alpha=show_alpha)


def _names(
    paths: Sequence[Path], texts: Sequence[str], folder: Path, *, show_alpha: bool
) -> dict[tuple[Path, str], Path]:
    """A file in a folder for each picture and caption, named after both.

    It has the picture's suffix, or .png where no file is written in that format. A name that
    another edit or its alpha map has gets a number. Upper and lower case count as the same, as they
    do on the file systems of macOS and Windows.
    """
    places: dict[tuple[Path, str], Path] = {}
    taken: set[str] = set()
    for path in paths:
        for text in dict.fromkeys(texts):
            words = "-".join(re.findall(r"\w+", text.lower()))[:60]
            name, count = f"{path.stem}-{words}", 1
            suffix = path.suffix if path.suffix.lower() in SUFFIXES else ".png"
            files_of_edit = _files_of(folder / f"{name}{suffix}", show_alpha=show_alpha)
            while any(file.name.lower() in taken for file in files_of_edit):
                count += 1
                output = folder / f"{name}-{count}{suffix}"
                files_of_edit = _files_of(output, show_alpha=show_alpha)
            taken |= {file.name.lower() for file in files_of_edit}
            places[path, text] = files_of_edit[0]
    return places


def _files_of(output: Path, *, show_alpha: bool) -> list[Path]:
    """All that one edit writes: its picture and, where it is asked for, its alpha map."""
    return [output, _alpha_beside(output)] if show_alpha else [output]


def _check_outputs(
    paths: Sequence[Path],
    outputs: dict[tuple[Path, str], Path],
    *,
    show_alpha: bool,
    overwrite: bool,
) -> None:
    """Refuse, before anything is written, what would replace a file.

    Raises:
        UserError: a file to be written is one of the pictures; or it exists, and ``overwrite`` is
            not set.
    """
    written = [
        file for output in outputs.values() for file in _files_of(output, show_alpha=show_alpha)
    ]
    originals = {_identity(path): path for path in paths}
    for file in written:
        original = originals.get(_identity(file))
        if original is not None:
            raise UserError(
                f"--output {file} is the picture itself ({original}); name another file or folder"
            )
    # A link without a target counts: to write there would replace the link.
    existing = [file for file in written if os.path.lexists(file)]
    if existing and not overwrite:
        others = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise UserError(
            f"{existing[0]}{others} exists already; replace it with --overwrite, "
            "or name another place with --output"
        )


def _identity(path: Path) -> object:
    """What is equal for two paths to the same file, through links and differences of case."""
    try:
        status = path.stat()
    except OSError:  # there is no such file yet, or links lead round in a circle
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


if __name__ == "__main__":
    sys.exit(main())
