"""What data sets that lie in a folder share: options, and the check that they are complete."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
from pydantic import Field, model_validator

from mim_tf.config import DataConfig
from mim_tf.data.formats.listing import Listing
from mim_tf.data.regions import caption_of
from mim_tf.data.source import Source
from mim_tf.errors import UserError

_CAPTIONS = 10  # drawn for a recoloured picture; repetitions are left out

_Any = TypeVar("_Any", bound=Source)


class FolderOptions(DataConfig):
    """Options of a data set that lies in a folder."""

    root: Path | None = Field(None, description="folder of the data set")
    partial: bool = Field(
        False, description="use what is there of a data set that is not as it was published"
    )
    augment: bool = Field(True, description="random crop and flip of training pictures")

    @model_validator(mode="after")
    def _root_or_records(self) -> FolderOptions:
        if self.root is None and self.records is None:
            raise ValueError(f"data.root is needed for data.source={self.source}")
        return self

    def folder(self, what: str) -> Path:
        """The folder that ``data.root`` names; ``what`` says in the error whose it is.

        Raises:
            UserError: none is named, or there is no such folder.
        """
        if self.root is None:
            raise UserError(
                f"data.root is needed for data.source={self.source}; give {what}: "
                "--set data.root=DIR"
            )
        if not self.root.is_dir():
            raise UserError(f"{self.root}: there is no such folder; set data.root to {what}")
        return self.root


class RecolouredOptions(FolderOptions):
    """Options of a data set that can train on pairs of colourings."""

    recoloured: bool = Field(
        False,
        description="train on pairs: each picture with parts dyed, and dyed otherwise, and "
        "captions of our own that tell the second",
    )

    @property
    def on_pairs(self) -> bool:
        """As ``recoloured`` says."""
        return self.recoloured


class RecolouredSource(Source):
    """A split of such a data set; its pictures are recoloured where they train.

    Attributes:
        askable: the parts that captions may speak of.
        stream: of the random numbers that draw its captions.
    """

    askable: ClassVar[tuple[str, ...]]
    stream: ClassVar[int]

    if TYPE_CHECKING:
        options: RecolouredOptions

    @property
    def recoloured(self) -> bool:
        """Only pictures that train are recoloured."""
        return self.options.recoloured and self.split == "train"


def with_own_captions(source: RecolouredSource) -> RecolouredSource:
    """A recoloured source with captions that speak of any parts in any colours: the words that
    training meets, and the false captions of other pictures. Any other as it is."""
    if not source.recoloured:
        return source
    captions = tuple(_own_captions(source, index) for index in range(len(source)))
    return replace(source, captions=captions)


def _own_captions(source: RecolouredSource, index: int) -> tuple[str, ...]:
    """The captions of one picture, drawn from its name."""
    rng = np.random.default_rng([source.stream, zlib.crc32(source.ids[index].encode())])
    captions = []
    for _ in range(_CAPTIONS):
        colours = {}
        for part in source.draw_asked(rng, index, source.askable):
            names = list(dict.fromkeys(name for name, _ in source.palette(part)))
            colours[part] = names[int(rng.integers(len(names)))]
        captions.append(caption_of(source.describe_parts(rng, index, colours)))
    return tuple(dict.fromkeys(captions))


def add_photographs(
    source: _Any, options: FolderOptions, listing: Listing, *, use_boxes: bool = False
) -> _Any:
    """A described source with the photographs of its split.

    Args:
        use_boxes: crop to the boxes of the photographs that have one.

    Raises:
        UserError: the split is not complete, or has fewer than two pictures.
    """
    from mim_tf.data.formats.photographs import Photographs  # imports OpenCV

    records = listing.records
    check_complete(source, options, len(records), listing)
    if len(records) < 2:
        raise UserError(
            f"{options.root}: the {source.split} split has {len(records)} pictures with captions; "
            "at least 2 are needed"
        )
    return replace(
        source,
        ids=tuple(record.image_id for record in records),
        captions=tuple(record.captions for record in records),
        classes=tuple(record.class_name for record in records),
        picture=Photographs(records, use_boxes=use_boxes),
    )


def check_complete(
    source: Source, options: FolderOptions, found: int, listing: Listing | None = None
) -> None:
    """Refuse a split that is not as it was published, unless ``data.partial`` says it may be.

    Args:
        found: pictures with captions.
        listing: what is missing, where that is known by name.

    Raises:
        UserError: saying what is missing and where to get it.
    """
    listing = listing or Listing(())
    expected = found if source.published is None else source.published.counts[source.split]
    if options.partial or (found == expected and not listing.uncaptioned):
        return
    wrong = [f"the {source.split} split has {found:,} pictures with captions"]
    if found != expected:
        wrong[0] += f" instead of {expected:,}"
    for names, what in ((listing.missing, "missing"), (listing.uncaptioned, "without captions")):
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            wrong.append(f"{len(names):,} pictures are {what} ({shown})")
    published = source.published
    get = "add what is missing" if published is None else f"get {published.publisher}"
    raise UserError(
        f"{options.root}: {'; '.join(wrong)}; {get}; or use what is there with "
        "--set data.partial=true"
    )
