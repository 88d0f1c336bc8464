"""Several data sets in one training: ``data.parts.NAME`` is the section ``data`` of each.

    data:
      source: mixture
      parts:
        drawn: {source: birds, photographic: true}
        photos: {source: cub, root: data/cub, caption_source: attributes, partial: true}
      weights: {drawn: 1, photos: 2}
      schedule: {start: {drawn: 1}, steps: 4000}

A step sees the parts in shares: `weights`, or on the way there from those of `schedule.start`. The
parts have one vocabulary; whatever tells pictures or captions apart stays within a part. Which
picture comes when: :mod:`mim_tf.data.order`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import (
    Field,
    SerializationInfo,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from mim_tf.config import DataConfig
from mim_tf.config_fields import Index, Section, Weight
from mim_tf.data import sources
from mim_tf.data.source import Source, Split
from mim_tf.errors import UserError

if TYPE_CHECKING:
    from mim_tf.data.mixture_source import MixtureSource

_OF_PARTS = {"source", "records"}  # of the options that all sets have; the others hold for all
_NO_RECORDS = (
    "a mixture has no records of its own; prepare the data set of each part by itself, and give "
    "them as data.parts.NAME.records"
)


class Schedule(Section):
    """From which shares to `data.weights`, and how long."""

    start: dict[str, Weight] = Field(
        {}, description="weights at the first step, 0 where left out; none: data.weights throughout"
    )
    steps: Index = Field(
        0,
        description="steps, counted from the very start, over which shares change evenly from "
        "those of the start to data.weights",
    )


class Options(DataConfig):
    """What is mixed, and in which shares."""

    parts: dict[str, DataConfig] = Field(
        {}, description="name -> the section data of a data set, without what holds for all of them"
    )
    weights: dict[str, Weight] = Field(
        {}, description="name -> weight of its share, 0 where left out; none: equal shares"
    )
    schedule: Schedule = Schedule()

    @field_validator("parts", mode="before")
    @classmethod
    def _read_parts(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError("give each part by a name of yours: {source: ..., ...}")
        return {str(name): _part(str(name), tree) for name, tree in value.items()}

    @field_serializer("parts")
    def _write_parts(
        self, parts: dict[str, DataConfig], info: SerializationInfo
    ) -> dict[str, dict[str, Any]]:
        """As they may be given: without what holds for all of them."""
        left_out = set(DataConfig.model_fields) - _OF_PARTS
        mode = "json" if info.mode_is_json() else "python"
        return {name: part.model_dump(mode=mode, exclude=left_out) for name, part in parts.items()}

    @model_validator(mode="after")
    def _shares_are_of_parts(self) -> Options:
        if self.records is not None:
            raise ValueError(f"data.records: {_NO_RECORDS}")
        if len(self.parts) < 2:
            raise ValueError("data.parts: a mixture needs at least two parts")
        plain = [name for name, part in self.parts.items() if not part.on_pairs]
        if 0 < len(plain) < len(self.parts):
            raise ValueError(
                f"data.parts: recoloured of all parts or of none, not without {', '.join(plain)}"
            )
        for key, weights in (("weights", self.weights), ("schedule.start", self.schedule.start)):
            for name in weights:
                if name not in self.parts:
                    known = ", ".join(self.parts)
                    raise ValueError(f"data.{key}: there is no part {name}; there are: {known}")
            if weights and not sum(weights.values()):
                raise ValueError(f"data.{key}: at least one weight must be above 0")
        if bool(self.schedule.start) != bool(self.schedule.steps):
            raise ValueError("data.schedule: give both start and steps, or none of them")
        return self

    @property
    def on_pairs(self) -> bool:
        """All of the parts, or none."""
        return all(part.on_pairs for part in self.parts.values())

    def unpaired(self, key: str = "data") -> tuple[str, ...]:
        """See :meth:`mim_tf.config.DataConfig.unpaired`."""
        parts = self.parts.items()
        return tuple(one for name, part in parts for one in part.unpaired(f"{key}.parts.{name}"))

    def check_size(self, key: str, size: int) -> None:
        """See :meth:`mim_tf.config.DataConfig.check_size`."""
        for part in self.parts.values():
            part.check_size(key, size)


def _part(name: str, tree: Any) -> DataConfig:
    """The options of a part, checked.

    Raises:
        ValueError: what is wrong, in one line.
    """
    if isinstance(tree, DataConfig):
        return tree
    if not isinstance(tree, Mapping) or "source" not in tree:
        raise ValueError(f"{name}: give its data set as {{source: ..., ...}}")
    try:
        options = sources.find_set(str(tree["source"])).Options
    except UserError as error:
        raise ValueError(f"{name}: {error}") from None
    if issubclass(options, Options):
        raise ValueError(f"{name}: a mixture cannot be a part of another")
    for key in tree:
        if key in DataConfig.model_fields and key not in _OF_PARTS:
            raise ValueError(f"{name}.{key}: holds for all parts; give it as data.{key}")
        if key not in options.model_fields:
            near = difflib.get_close_matches(str(key), options.model_fields, n=1, cutoff=0.0)
            raise ValueError(f"{name}.{key}: unknown key; did you mean {near[0]}?")
    try:
        checked: DataConfig = options.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([name, *map(str, first["loc"])])
        raise ValueError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from None
    return checked


def describe(options: Options, split: Split) -> Source:
    """Refused: it is records that ask, and a mixture has none of its own.

    Raises:
        UserError: always.
    """
    raise UserError(_NO_RECORDS)


def load(options: Options, split: Split) -> MixtureSource:
    """The split, each part as its publisher made it; errors as of the parts."""
    return load_parts(options, split, lambda part: sources.load_raw(part, split))


def load_parts(
    options: Options, split: Split, load_part: Callable[[DataConfig], Source]
) -> MixtureSource:
    """The split; errors as of the parts.

    Args:
        load_part: reads a part's split, from its records where it names some.
    """
    from mim_tf.data.mixture_source import MixtureSource, Pictures  # imports NumPy

    parts = {name: load_part(part) for name, part in options.parts.items()}
    mixed = MixtureSource(options, split, members=tuple(parts.values()))

    def named(what: str) -> tuple[str, ...]:
        return tuple(
            f"{name}/{text}" for name, part in parts.items() for text in getattr(part, what)
        )

    return replace(
        mixed,
        ids=named("ids"),
        captions=tuple(texts for part in parts.values() for texts in part.captions),
        classes=named("classes"),
        picture=Pictures(mixed.members),
        augment=any(part.augment for part in parts.values()),
    )
