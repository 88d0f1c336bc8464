"""A split of several data sets: every question goes to the part that a picture came from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from mim_tf.data.source import Marks, Request, Source, TrueEdit

if TYPE_CHECKING:
    from mim_tf.data.sets.mixture import Options


def _starts(parts: Sequence[Source]) -> list[int]:
    return [0, *accumulate(map(len, parts))]


def _place(starts: Sequence[int], index: int) -> tuple[int, int]:
    """Number of the part that holds a picture, and its index within the part."""
    part = bisect_right(starts, index) - 1
    return part, index - starts[part]


class Pictures:
    """Callable ``(index, size) -> uint8 [size, size, 3]`` over the parts' pictures in turn.

    It holds no captions, so that it is small enough for other processes.
    """

    def __init__(self, parts: Sequence[Source]) -> None:
        self.starts = _starts(parts)
        self.pictures = [part.picture for part in parts]

    def __call__(self, index: int, size: int) -> np.ndarray:
        part, own = _place(self.starts, index)
        return self.pictures[part](own, size)


@dataclass(frozen=True)
class MixtureSource(Source):
    """A split of several data sets, one after the other; ids and classes begin with a part's name.

    Its true edits are known where the part knows them; ``has_truth`` is for all pictures, so no.

    Attributes:
        members: the parts.
    """

    members: tuple[Source, ...] = ()

    if TYPE_CHECKING:
        options: Options

    @property
    def parts(self) -> tuple[Source, ...]:
        """The parts, in the order of ``data.parts``."""
        return self.members

    @property
    def names(self) -> tuple[str, ...]:
        """For each part, what the user calls it."""
        return tuple(self.options.parts)

    @property
    def crop(self) -> str:
        """Which part of a picture becomes the square, in words."""
        return "; ".join(
            f"{name}: {part.crop}" for name, part in zip(self.names, self.parts, strict=True)
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """For each picture, its part's name and its label there."""
        return tuple(
            f"{name}/{label}"
            for name, part in zip(self.names, self.parts, strict=True)
            for label in part.labels
        )

    def shares(self, step: int) -> tuple[float, ...]:
        """For each part, its share of what a step sees, by ``data.weights`` and ``schedule``."""
        schedule = self.options.schedule
        end = self._normalised(self.options.weights or dict.fromkeys(self.names, 1.0))
        if not schedule.steps:
            return end
        way = min(1.0, step / schedule.steps)
        start = self._normalised(schedule.start)
        return tuple((1 - way) * a + way * b for a, b in zip(start, end, strict=True))

    def _normalised(self, weights: Mapping[str, float]) -> tuple[float, ...]:
        total = sum(weights.values())
        return tuple(weights.get(name, 0.0) / total for name in self.names)

    def original(self, index: int, size: int) -> np.ndarray:
        """The picture before an edit, uint8 [size, size, 3]."""
        part, own = self._part(index)
        return part.original(own, size)

    def other_picture(self, index: int, rng: np.random.Generator) -> int:
        """A random picture of another class of the same part."""
        part, own = self._part(index)
        return index - own + part.other_picture(own, rng)

    def requests(self, seed: int, count: int) -> Iterator[Request]:
        """The parts' own requests, one of each part in turn as long as it has pictures."""
        waiting = [
            (start, part.requests(seed, len(part)))
            for start, part in zip(_starts(self.parts), self.parts, strict=False)
        ]
        given = 0
        while waiting and given < count:
            for entry in list(waiting):
                start, requests = entry
                request = next(requests, None)
                if request is None:
                    waiting.remove(entry)
                elif given < count:
                    given += 1
                    yield Request(start + request.index, request.caption, request.own)

    def true_edit(self, index: int, caption: str, size: int) -> TrueEdit | None:
        """The right result of an edit, where the part knows it."""
        part, own = self._part(index)
        return part.true_edit(own, caption, size)

    def marks(self, index: int, size: int) -> Marks | None:
        """What is marked in a picture, where its part has marks."""
        part, own = self._part(index)
        return part.marks(own, size)

    def attributes(self, index: int) -> Mapping[str, bool] | None:
        """What is true of a picture, where its part says it."""
        part, own = self._part(index)
        return part.attributes(own)

    def still_true(self, index: int, caption: str, other: str) -> bool:
        """Whether ``other`` is also true of the picture once it is edited by ``caption``."""
        part, own = self._part(index)
        return part.still_true(own, caption, other)

    def _part(self, index: int) -> tuple[Source, int]:
        """The part that holds a picture, and the picture's index within it."""
        part, own = _place(_starts(self.parts), index)
        return self.parts[part], own
