"""What a split of a data set consists of, before any picture is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Box = tuple[float, float, float, float]
"""(x, y, width, height) of an object, in pixels."""


@dataclass(frozen=True)
class Record:
    """One photograph with its captions.

    Attributes:
        image_id: its name within the data set, without suffix.
        path: the file.
        box: around the object; None where the data set gives none.
        class_name: its class; its own name where the data set has no classes.
        captions: at least one, unless the data set has none for it.
    """

    image_id: str
    path: Path
    box: Box | None
    class_name: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """A split: what there is of it, and what is not.

    Attributes:
        records: complete ones, in the order of the split.
        missing: names that the split lists and the disk lacks.
        uncaptioned: photographs that exist without captions.
    """

    records: tuple[Record, ...]
    missing: tuple[str, ...] = ()
    uncaptioned: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str], found: Sequence[Record]) -> Listing:
        """The split ``names``, of which ``found`` is on the disk, some of it without captions."""
        present = {record.image_id for record in found}
        return cls(
            records=tuple(record for record in found if record.captions),
            missing=tuple(name for name in names if name not in present),
            uncaptioned=tuple(record.image_id for record in found if not record.captions),
        )
