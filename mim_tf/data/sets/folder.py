"""Your own pictures: a folder with ``captions.jsonl``, or a ``.txt`` beside each picture.

    <root>/captions.jsonl    {"image": "a/b.jpg", "captions": ["...", "..."]} on each line, and if
                             you like "class": "..." and "split": "train" or "test"
    <root>/a/b.jpg, b.txt    else: captions of b.jpg, one a line; its class is its folder

Runs, records and evaluations below <root> are passed over.

Where no line says a split, a fixed share of the pictures tests: see
:func:`mim_tf.data.sets.splits.random_split`.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from mim_tf import json_text
from mim_tf.config_fields import Share
from mim_tf.data.formats.listing import Listing, Record
from mim_tf.data.formats.untrusted import clean_captions, read_captions, read_text, safe_name
from mim_tf.data.on_pairs import RecolouredOptions, RecolouredSource, with_own_captions
from mim_tf.data.regions import Regions, Words
from mim_tf.data.sets.folder_captions import COLOUR_WORDS, OBJECT, describe_object
from mim_tf.data.sets.on_disk import FolderOptions, add_photographs
from mim_tf.data.sets.splits import random_split
from mim_tf.data.source import Source, Split
from mim_tf.errors import UserError
from mim_tf.pictures.colours import CLOTHES, Palette

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2")

# Files that mark a folder of our own outputs, which may lie among the pictures.
_OUTPUTS = (
    ("config.yaml", "vocabulary.json"),  # a run
    ("settings.json", "*.tfrecord"),  # records, finished or not
    ("manifest.json", "pairs.jsonl"),  # an evaluation
)


class Options(RecolouredOptions, FolderOptions):
    """How your pictures are split."""

    test_share: Share = Field(0.1, description="share of the pictures that test")


class FolderSource(RecolouredSource):
    """A split of pictures of one's own.

    With ``data.recoloured`` their objects are dyed: one a picture, on a plain background, of a
    class that names it (shirt).
    """

    if TYPE_CHECKING:
        options: Options

    askable: ClassVar[tuple[str, ...]] = (OBJECT,)
    stream: ClassVar[int] = 14

    def palette(self, part: str) -> Palette:
        """Colours of clothes, as they are elsewhere and as shops name them."""
        return CLOTHES

    def regions(self, index: int, picture: np.ndarray) -> Regions:
        """The object, which is what differs from a plain background."""
        from mim_tf.data.sets.folder_pairs import regions_of  # imports OpenCV

        return regions_of(picture)

    def draw_asked(
        self, rng: np.random.Generator, index: int, present: Sequence[str]
    ) -> tuple[str, ...]:
        """The object, whatever it is."""
        return (OBJECT,)

    def describe_parts(
        self, rng: np.random.Generator, index: int, colours: Mapping[str, str]
    ) -> Words:
        """See :func:`mim_tf.data.sets.folder_captions.describe_object`."""
        return describe_object(rng, self.classes[index], colours[OBJECT])

    def decides(self, word: str) -> bool:
        """Only words for colours: a thing is the only one, whatever it is called."""
        return word in COLOUR_WORDS


def describe(options: Options, split: Split) -> FolderSource:
    """The split without its pictures."""
    return FolderSource(options, split, augment=options.augment)


def load(options: Options, split: Split) -> Source:
    """The split.

    Raises:
        UserError: no pictures, no captions, one without the other, or a malformed line.
    """
    listing = read(options.folder("that of your pictures"), split, options.test_share)
    return with_own_captions(add_photographs(describe(options, split), options, listing))


def read(root: Path, split: Split, test_share: float) -> Listing:
    """The records of a split, sorted by name.

    Args:
        test_share: of the pictures that no line of ``captions.jsonl`` puts into a split.

    Raises:
        UserError: no pictures, no captions, captions without their picture, or a malformed line.
    """
    files = _files(root)
    pictures = {
        path.relative_to(root).as_posix(): path
        for path in files
        if path.suffix.lower() in SUFFIXES and path.is_file()
    }
    if not pictures:
        raise UserError(f"{root}: holds no pictures ({', '.join(SUFFIXES)})")
    index = root / "captions.jsonl"
    records, splits = (
        _from_lines(index, pictures) if index.is_file() else _from_texts(root, files, pictures)
    )
    if not records:
        raise UserError(
            f"{root}: {len(pictures)} pictures, but neither captions.jsonl nor a .txt with "
            "captions beside any of them"
        )
    open_names = [name for name in records if name not in splits]
    chosen = set(random_split(open_names, split, test_share=test_share))
    chosen |= {name for name, stated in splits.items() if stated == split}
    without = tuple(name for name in pictures if name not in records)
    return Listing(tuple(records[name] for name in records if name in chosen), (), without)


def _files(root: Path) -> list[Path]:
    """All files, sorted, but those of our own commands: they write below the working directory."""
    found: list[Path] = []
    for folder, subfolders, names in os.walk(root):
        # `root` itself is what the user means, whatever lies in it.
        if Path(folder) != root and any(
            all(fnmatch.filter(names, mark) for mark in marks) for marks in _OUTPUTS
        ):
            subfolders.clear()
        else:
            found += (Path(folder, name) for name in names)
    return sorted(found)


def _from_lines(index: Path, pictures: dict[str, Path]) -> tuple[dict[str, Record], dict[str, str]]:
    records, splits = {}, {}
    for number, line in enumerate(read_text(index).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{index}: line {number}"
        name, captions, class_name, split = _parse(line, where)
        name = safe_name(name, index).as_posix()
        if name not in pictures:
            raise UserError(f"{where}: there is no picture {name} in {index.parent}")
        if name in records:
            raise UserError(f"{where}: {name} has captions on a line before; keep one line")
        records[name] = Record(name, pictures[name], None, class_name or name, captions)
        if split is not None:
            splits[name] = split
    return dict(sorted(records.items())), splits


def _parse(line: str, where: str) -> tuple[str, tuple[str, ...], str | None, str | None]:
    try:
        row: Any = json_text.load(line)
    except ValueError as error:
        raise UserError(f"{where} is not JSON ({error})") from None
    if not isinstance(row, dict):
        row = {}
    name, texts = row.get("image"), row.get("captions")
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(name, str) or not isinstance(texts, list):
        raise UserError(f'{where}: expected {{"image": "name", "captions": ["...", ...]}}')
    if not all(isinstance(text, str) for text in texts) or not clean_captions(texts):
        raise UserError(f"{where}: {name} has no caption with a word in it")
    class_name, split = row.get("class"), row.get("split")
    if split not in (None, "train", "test"):
        raise UserError(f"{where}: split {split!r}; use train or test")
    return name, clean_captions(texts), None if class_name is None else str(class_name), split


def _from_texts(
    root: Path, files: list[Path], pictures: dict[str, Path]
) -> tuple[dict[str, Record], dict[str, str]]:
    records = {}
    captioned = set()
    for name, path in pictures.items():
        text = path.with_suffix(".txt")
        captions = read_captions(text)
        captioned.add(text)
        if captions:
            folder = path.parent.relative_to(root).as_posix()
            class_name = name if folder == "." else folder
            records[name] = Record(name, path, None, class_name, captions)
    lonely = next((path for path in files if path.suffix == ".txt" and path not in captioned), None)
    if lonely is not None and records:
        raise UserError(f"{lonely}: captions without a picture of the same name; add it, or take "
                        "the captions away")  # fmt: skip
    return records, {}
