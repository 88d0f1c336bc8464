"""What data sets that lie in a folder share: options, and the check that they are complete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import Field, model_validator

from mim_tf.config import DataConfig
from mim_tf.data.formats.listing import Listing
from mim_tf.data.source import Source
from mim_tf.errors import UserError

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
