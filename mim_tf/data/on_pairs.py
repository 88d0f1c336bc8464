"""What data sets share that can train on pairs of one picture in two colourings."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import ClassVar, TypeVar

import numpy as np
from pydantic import Field

from mim_tf.config import DataConfig
from mim_tf.data.regions import caption_of
from mim_tf.data.source import Source

_CAPTIONS = 10  # drawn for a recoloured picture; repetitions are left out

_Any = TypeVar("_Any", bound=Source)


class RecolouredOptions(DataConfig):
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
    """A split of such a data set.

    Attributes:
        askable: the parts that captions may speak of.
        stream: of the random numbers that draw its captions.
    """

    askable: ClassVar[tuple[str, ...]]
    stream: ClassVar[int]


def with_own_captions(source: _Any) -> _Any:
    """A recoloured source with captions that speak of any parts in any colours: the words that
    training meets, and the false captions of other pictures. Any other as it is."""
    if not (isinstance(source, RecolouredSource) and source.recoloured):
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
