"""Which pixels of a picture each part of its object covers, and what colour the part has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Words = tuple[tuple[str, str | None], ...]
"""A caption word by word, each with the part or group that it speaks of, if any."""


@dataclass(frozen=True)
class Regions:
    """The parts of one picture.

    Attributes:
        labels: uint8 [S, S]: 0 where no part is, k on the part ``parts[k - 1]``.
        parts: names of all parts of such objects, of which a picture may lack some; at most 30, for
            a label is a bit of an int32 in training batches.
        colours: part -> name of its colour in the picture, of those parts whose colour can be read.
        groups: names that captions use for several parts at once (head, bird) -> those parts.
    """

    labels: np.ndarray
    parts: tuple[str, ...]
    colours: Mapping[str, str]
    groups: Mapping[str, tuple[str, ...]]

    def bits(self, name: str) -> int:
        """The labels that a part or a group covers, label k as bit k."""
        return sum(1 << (1 + self.parts.index(part)) for part in self.groups.get(name, (name,)))


def caption_of(words: Words) -> str:
    """The caption as text."""
    return " ".join(word for word, _ in words)
