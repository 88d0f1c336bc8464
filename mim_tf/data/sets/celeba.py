"""CelebA faces (aligned, 178 x 218) with one caption each, in the official layout.

    <root>/img_align_celeba/NNNNNN.jpg     or still in <root>/img_align_celeba.zip
    <root>/list_attr_celeba.txt            40 attributes of each face
    <root>/caps.txt                        Text2FaceGAN's captions; without it, our own are written
                                           from the attributes, see `celeba_captions.py`

A caption file has a picture's name and its caption on each line, apart by a tab, a comma, a bar or
blanks. The paper splits 192,050 pictures at random, 153,640 / 38,410, by a seed it never published:
see :func:`mim_tf.data.sets.splits.random_split` for ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, model_validator

from mim_tf.data.formats.listing import Listing, Record
from mim_tf.data.formats.untrusted import clean_captions, find_or_unpack, read_lines
from mim_tf.data.on_pairs import RecolouredOptions, RecolouredSource, with_own_captions
from mim_tf.data.regions import Regions, Words
from mim_tf.data.sets import celeba_pairs
from mim_tf.data.sets.celeba_captions import ATTRIBUTES, face_caption
from mim_tf.data.sets.on_disk import FolderOptions, add_photographs
from mim_tf.data.sets.splits import random_split
from mim_tf.data.source import Published, Source, Split
from mim_tf.errors import UserError
from mim_tf.pictures.colours import Palette

if TYPE_CHECKING:
    from mim_tf.data.sets.celeba_teacher import Teacher
    from mim_tf.pictures.people import PersonModel

PUBLISHED = Published(
    {"train": 153_640, "test": 38_410}, "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)

CAPTIONED = 192_050
"""Pictures with a caption of Text2FaceGAN, which is how many the paper splits."""

CAPTION_FILES = ("caps.txt", "captions.txt", "text_descr_celeba.csv")
_CAPTION_LINE = re.compile(r'"?(\d{6})(?:\.(?:jpg|png))?(?:#\d+)?"?[\s,|:]+(.+)')


ATTRIBUTE_FILE = "list_attr_celeba.txt"


class Options(RecolouredOptions, FolderOptions):
    """Options of CelebA."""

    person_model: Path | None = Field(
        None, description="selfie_segmentation.tflite, which finds hair; recoloured needs it"
    )
    teacher: str | None = Field(
        None,
        description="an earlier model of faces, a preset's name or a folder with LiteRT files: "
        "recoloured finds hair and lips by its alpha; without, by rules",
    )

    @model_validator(mode="after")
    def _person_model_for_hair(self) -> Options:
        if self.recoloured and self.person_model is None:
            raise ValueError(
                "data.recoloured needs data.person_model: selfie_segmentation.tflite of the npm "
                "package @mediapipe/selfie_segmentation"
            )
        return self


class CelebaSource(RecolouredSource):
    """A split of CelebA, which knows 40 attributes of each face."""

    has_attributes: ClassVar[bool] = True
    askable: ClassVar[tuple[str, ...]] = celeba_pairs.PARTS
    stream: ClassVar[int] = 15

    if TYPE_CHECKING:
        options: Options

    def palette(self, part: str) -> Palette:
        """Colours of hair, and of lipstick."""
        return celeba_pairs.palette(part)

    def regions(self, index: int, picture: np.ndarray) -> Regions:
        """Hair and lips."""
        from mim_tf.data.sets.celeba_regions import regions_of  # imports OpenCV

        return regions_of(picture, self.attributes(index), self._person(picture), self._teacher)

    def draw_asked(
        self, rng: np.random.Generator, index: int, present: Sequence[str]
    ) -> tuple[str, ...]:
        """See :func:`mim_tf.data.sets.celeba_pairs.draw_asked`."""
        return celeba_pairs.draw_asked(rng, present)

    def describe_parts(
        self, rng: np.random.Generator, index: int, colours: Mapping[str, str]
    ) -> Words:
        """See :func:`mim_tf.data.sets.celeba_pairs.describe`."""
        return celeba_pairs.describe(rng, self.attributes(index)["Male"], colours)

    def attributes(self, index: int) -> Mapping[str, bool]:
        """CelebA's 40 attributes of a face.

        Raises:
            UserError: their list is missing or malformed, or lacks the face.
        """
        path = self.options.folder("CelebA's folder") / ATTRIBUTE_FILE
        name = self.ids[index]
        if name not in self._attributes:
            raise UserError(f"{path}: has no row of {name}; get the official file")
        return self._attributes[name]

    @cached_property
    def _person(self) -> PersonModel:
        from mim_tf.pictures.people import PersonModel  # imports OpenCV

        assert self.options.person_model is not None  # checked by Options
        return PersonModel(self.options.person_model)

    @cached_property
    def _teacher(self) -> Teacher | None:
        from mim_tf.data.sets.celeba_teacher import Teacher  # imports OpenCV

        return None if self.options.teacher is None else Teacher(self.options.teacher)

    @cached_property
    def _attributes(self) -> dict[str, dict[str, bool]]:
        return read_attributes(self.options.folder("CelebA's folder") / ATTRIBUTE_FILE)


def describe(options: Options, split: Split) -> CelebaSource:
    """The split without its pictures."""
    return CelebaSource(options, split, augment=options.augment, published=PUBLISHED)


def load(options: Options, split: Split) -> Source:
    """The split.

    Raises:
        UserError: a folder or file is missing or malformed, or the split is not complete.
    """
    listing = read(options.folder("CelebA's folder"), split)
    return with_own_captions(add_photographs(describe(options, split), options, listing))


def read(root: Path, split: Split) -> Listing:
    """The records of a split, in the order of their numbers.

    Raises:
        UserError: a folder or file is missing or malformed, or no record is left.
    """
    folder = find_or_unpack(root, "img_align_celeba", "img_align_celeba.zip")
    if folder is None:
        raise UserError(
            f"{root}: expected img_align_celeba or img_align_celeba.zip in it; get the aligned "
            "pictures from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
        )
    captions = _captions(root)
    names = random_split(sorted(captions), split, first=CAPTIONED)
    records = [
        Record(name, folder / f"{name}.jpg", None, name, captions[name])
        for name in names
        if (folder / f"{name}.jpg").is_file()
    ]
    if not records:
        raise UserError(
            f"{folder}: none of the {len(names)} pictures of the {split} split is there; "
            "unpack img_align_celeba.zip again"
        )
    return Listing.of(names, records)


def _captions(root: Path) -> dict[str, tuple[str, ...]]:
    for path in (root / name for name in CAPTION_FILES):
        if path.is_file():
            return _read_captions(path)
    return {
        name: (face_caption(int(name), attributes),)
        for name, attributes in read_attributes(root / ATTRIBUTE_FILE).items()
    }


def _read_captions(path: Path) -> dict[str, tuple[str, ...]]:
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(path), 1):
        match = _CAPTION_LINE.fullmatch(line)
        if match is not None:
            captions.setdefault(match[1], []).append(match[2].strip('"'))
        elif number > 1:  # the first line may be a header
            raise UserError(f"{path}: line {number} is not a picture's name and its caption")
    if not captions:
        raise UserError(f"{path}: holds no captions; take it away to have them written from "
                        "the attributes")  # fmt: skip
    return {name: clean_captions(texts) for name, texts in captions.items()}


def read_attributes(path: Path) -> dict[str, dict[str, bool]]:
    """Name (six digits) -> its 40 attributes.

    The file's first line says how many rows follow; a part of the file is accepted here, because
    the pictures that it lacks are missed later, by name.

    Raises:
        UserError: missing or malformed.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file; get it with the pictures from "
            "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
        )
    lines = read_lines(path)
    if len(lines) < 3 or not lines[0].isdigit() or tuple(lines[1].split()) != ATTRIBUTES:
        raise UserError(f"{path}: expected a count, a line of 40 attribute names, and rows; "
                        "get the official file")  # fmt: skip
    rows: dict[str, dict[str, bool]] = {}
    for number, line in enumerate(lines[2:], 3):
        name, *values = line.split()
        if len(values) != len(ATTRIBUTES) or not set(values) <= {"1", "-1"}:
            raise UserError(f"{path}: line {number} does not hold 40 values of 1 or -1")
        stem = name.partition(".")[0]
        if not re.fullmatch(r"\d{6}", stem):
            raise UserError(f"{path}: line {number}: {name!r} is not a name like 000001.jpg")
        rows[stem] = {
            attribute: value == "1" for attribute, value in zip(ATTRIBUTES, values, strict=True)
        }
    return rows
