"""CUB-200-2011 birds with the ten captions an image of Reed et al., in the official layout.

    <root>/CUB_200_2011/images/<NNN.Class>/<Name>.jpg   or still in <root>/CUB_200_2011.tgz
    <root>/CUB_200_2011/{images,bounding_boxes}.txt
    captions and the split by class                     see :mod:`mim_tf.data.formats.reed`
    <root>/CUB_200_2011/{attributes,parts}/             for captions of our own, see
                                                        :mod:`mim_tf.data.sets.cub_captions`

The split is by class (150 / 50, 8,855 / 2,933 images); it is not `train_test_split.txt`. With
captions from attributes alone the lists may be absent: see :mod:`mim_tf.data.sets.cub_split`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from mim_tf.data import bird_wording
from mim_tf.data.formats import reed
from mim_tf.data.formats.listing import Box, Listing, Record
from mim_tf.data.formats.untrusted import find_or_unpack
from mim_tf.data.on_pairs import RecolouredOptions, with_own_captions
from mim_tf.data.regions import Regions
from mim_tf.data.sets import cub_captions, cub_metadata, cub_split
from mim_tf.data.sets.on_disk import FolderOptions, add_photographs
from mim_tf.data.source import Marks, Published, Source, Split
from mim_tf.errors import UserError

PUBLISHED = Published(
    {"train": 8855, "test": 2933},
    "CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158, captions and splits from "
    "https://github.com/reedscot/cvpr2016 or AttnGAN's scenes.zip",
)
PUBLISHED_BY_CLASS = Published(
    cub_split.COUNTS, "CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158"
)
_BOX_FILES = (cub_metadata.IMAGES, cub_metadata.BOXES)

CaptionSource = Literal["official", "attributes", "both"]


class Options(RecolouredOptions, FolderOptions):
    """How the birds are cut out, and where their captions come from."""

    crop_to_box: bool = Field(True, description="crop to the bounding boxes, as AttnGAN does")
    caption_source: CaptionSource = Field(
        "official",
        description="captions of Reed et al.; our own, written from CUB's attributes and the "
        "colours at its marked points; or both",
    )


class CubSource(bird_wording.RecolouredBirds):
    """A split of CUB, which may be cropped to the birds' boxes and has marked points."""

    has_marks: ClassVar[bool] = True
    askable: ClassVar[tuple[str, ...]] = bird_wording.ASKED
    stream: ClassVar[int] = 13

    if TYPE_CHECKING:
        options: Options

    @property
    def crop(self) -> str:
        """Which part of a picture becomes the square, in words."""
        return super().crop + (", of the bounding box" if self.options.crop_to_box else "")

    def regions(self, index: int, picture: np.ndarray) -> Regions:
        """The parts around the marked points; raises as :meth:`marks`."""
        from mim_tf.data.sets.cub_regions import regions_of  # imports OpenCV

        return regions_of(picture, self.marks(index, len(picture)))

    def marks(self, index: int, size: int) -> Marks | None:
        """Points and box of a bird; None where a photograph has no box.

        Raises:
            UserError: CUB's list of points is missing or malformed, or the pictures are not read
                from CUB's folder.
        """
        from mim_tf.data.formats.photographs import Photographs  # imports OpenCV

        if not isinstance(self.picture, Photographs):
            raise UserError("records hold no marked points; give data.root, and no data.records")
        points, boxes = self._marked
        name = self.ids[index]
        if name not in boxes:
            return None
        top, left, side = self.picture.square(index)
        scale = size / side
        x, y, width, height = boxes[name]
        moved = {
            part: tuple(
                ((px - left) * scale, (py - top) * scale)
                for px, py in places
                if 0 <= px - left < side and 0 <= py - top < side
            )
            for part, places in points.get(name, {}).items()
        }
        return Marks(((x - left) * scale, (y - top) * scale, width * scale, height * scale), moved)

    @cached_property
    def _marked(self) -> tuple[dict[str, cub_metadata.Points], dict[str, Box]]:
        """Points and boxes by name, in pixels of the whole photographs."""
        cub = _find_cub(self.options.folder("the CUB folder"))
        names = cub_metadata.read_names(cub)
        points = cub_metadata.read_points(cub)
        by_name = {names[key]: of_image for key, of_image in points.items() if key in names}
        return by_name, cub_metadata.read_boxes(cub)


def describe(options: Options, split: Split) -> CubSource:
    """The split without its pictures."""
    return CubSource(options, split, augment=options.augment, published=PUBLISHED)


def load(options: Options, split: Split) -> Source:
    """The split.

    Raises:
        UserError: a folder or file is missing or malformed, or the split is not complete.
    """
    root = options.folder("the CUB folder")
    listing = read(
        root,
        split,
        boxes_needed=options.crop_to_box and not options.partial,
        caption_source=options.caption_source,
    )
    source = describe(options, split)
    if _split_by_class(_bases(root, _find_cub(root)), options.caption_source):
        source = replace(source, published=PUBLISHED_BY_CLASS)
    return with_own_captions(
        add_photographs(source, options, listing, use_boxes=options.crop_to_box)
    )


def read(
    root: Path,
    split: Split,
    *,
    boxes_needed: bool = False,
    caption_source: CaptionSource = "official",
) -> Listing:
    """The records of a split, sorted by `image_id`.

    Args:
        root: the folder that holds `CUB_200_2011` or its archive, that folder itself, or one a
            level above.
        boxes_needed: refuse photographs without a box, which are otherwise taken whole.
        caption_source: as `Options.caption_source`.

    Raises:
        UserError: a folder or file is missing or malformed, no record is left, or a box is needed
            and missing.
    """
    cub = _find_cub(root)
    bases = _bases(root, cub)
    names = (
        cub_split.names_by_class(cub, split)
        if _split_by_class(bases, caption_source)
        else _listed_names(bases, cub, split)
    )
    present = [name for name in names if _photograph(cub, name).is_file()]
    if not present:
        raise UserError(
            f"{cub / 'images'}: none of the {len(names)} photographs of the {split} split is "
            "there; unpack CUB_200_2011.tgz here or correct data.root"
        )
    boxes = cub_metadata.read_boxes(cub)
    if boxes_needed:
        _check_boxes(cub, boxes, present)
    captions: list[tuple[str, ...]] = [()] * len(present)
    if caption_source != "attributes":
        captions = _official_captions(bases, split, present)
    if caption_source != "official":
        paths = [_photograph(cub, name) for name in present]
        written = cub_captions.write_captions(cub, present, paths, boxes)
        captions = [own + other for own, other in zip(captions, written, strict=True)]
    records = [
        Record(name, _photograph(cub, name), boxes.get(name), name.split("/")[0], of_image)
        for name, of_image in zip(present, captions, strict=True)
    ]
    return Listing.of(names, records)


def _bases(root: Path, cub: Path) -> list[Path]:
    """Where captions and split lists may lie: beside `cub` or in it."""
    return list(dict.fromkeys((root, cub.parent, cub)))


def _split_by_class(bases: Sequence[Path], caption_source: CaptionSource) -> bool:
    """Whether our own split holds. Official captions come with lists, and ask for them."""
    return caption_source == "attributes" and not reed.has_lists(bases)


def _listed_names(bases: Sequence[Path], cub: Path, split: Split) -> list[str]:
    try:
        return reed.split_names(
            bases,
            split,
            lambda class_name: [
                f"{class_name}/{path.stem}" for path in (cub / "images" / class_name).glob("*.jpg")
            ],
        )
    except UserError as error:
        if reed.has_lists(bases):
            raise
        raise UserError(
            f"{error}; or do without lists and captions: --set data.caption_source=attributes"
        ) from error


def _official_captions(
    bases: Sequence[Path], split: Split, names: Sequence[str]
) -> list[tuple[str, ...]]:
    try:
        return reed.captions(bases, split, names)
    except UserError as error:
        raise UserError(
            f"{error}; or have them written from CUB's attributes: "
            "--set data.caption_source=attributes"
        ) from error


def _find_cub(root: Path) -> Path:
    for folder in (root / "CUB_200_2011", root, *sorted(root.glob("*/CUB_200_2011"))):
        if (folder / "images").is_dir():
            return folder
    cub = find_or_unpack(root, "CUB_200_2011", "CUB_200_2011.tgz")
    if cub is None or not (cub / "images").is_dir():
        raise UserError(
            f"{root}: expected CUB_200_2011/images or CUB_200_2011.tgz in it; "
            "get the archive from Caltech, or correct data.root"
        )
    return cub


def _photograph(cub: Path, name: str) -> Path:
    return cub / "images" / f"{name}.jpg"


def _check_boxes(cub: Path, boxes: dict[str, Box], names: Sequence[str]) -> None:
    without = [name for name in names if name not in boxes]
    if not without:
        return
    absent = [name for name in _BOX_FILES if not (cub / name).is_file()]
    wrong = f"{' and '.join(absent)} missing" if absent else f"{without[0]} has none"
    raise UserError(
        f"{cub}: {len(without):,} photographs have no box to crop to ({wrong}); get "
        f"{' and '.join(_BOX_FILES)} of CUB_200_2011.tgz, or take whole photographs: all with "
        "--set data.crop_to_box=false, these alone with --set data.partial=true"
    )
