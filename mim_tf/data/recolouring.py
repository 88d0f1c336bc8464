"""Training pairs whose true edit is known: a picture with some parts dyed, the same picture with
them dyed otherwise, and a caption that says what the second has and the first has not.

Deviation: the paper reconstructs a picture from itself, which copying does as well. Here
reconstruction starts from another colouring of the same picture, and only the caption tells which.
What is dyed says nothing of what is asked: parts that the caption does not speak of are dyed as
well, alike in both pictures, and parts that it asks for are often undyed in the first, as in every
picture that a user edits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from mim_tf.data.regions import Regions, Words
from mim_tf.data.source import Source
from mim_tf.data.unknown_words import forget, interrupt
from mim_tf.pictures.colours import Palette, commonest_colour
from mim_tf.pictures.dyes import dye
from mim_tf.text import PAD, Vocabulary

_DYED_SCENES = 0.5  # share of the samples whose other parts are dyed too
_DYED_PARTS = 0.4  # share of their parts that are
_DYED_TARGETS = 0.8  # share of the asked parts whose asked colour is a dye, not their own
_OWN_BEFORE = 0.7  # share of those that have their own colour before
_JITTER = 14  # levels by which a dye's red, green and blue differ from the name's own
_TRIES = 8


@dataclass(frozen=True)
class Pair:
    """One sample.

    Attributes:
        before, picture: uint8 [S, S, 3], the same but for the parts that the caption speaks of.
        words: the caption, true of ``picture``.
        known: the caption before any of its words became unknown.
    """

    before: np.ndarray
    picture: np.ndarray
    words: Words
    known: Words


def draw_pair(
    source: Source,
    index: int,
    stored: tuple[np.ndarray, Regions],
    rng: np.random.Generator,
    word_dropout: float = 0.0,
) -> Pair:
    """A pair from the picture of an index, uint8 [S, S, 3], ``stored`` with its regions.

    Args:
        word_dropout: share of the words that are replaced by one that nobody knows. What such a
            word speaks of is alike in both pictures, so that an unknown word changes nothing. As
            many unknown words are put in between, and say nothing ("please", a brand).
    """
    picture, regions = stored
    present = [part for k, part in enumerate(regions.parts, 1) if (regions.labels == k).any()]
    asked = source.draw_asked(rng, index, present)
    covered = {part for name in asked for part in regions.groups.get(name, (name,))}
    others: dict[str, str | None] = {}
    if rng.random() < _DYED_SCENES:
        for part in present:
            if part not in covered and rng.random() < _DYED_PARTS:
                others[part] = _pick(rng, source.palette(part))
    after, before, said = dict(others), dict(others), {}
    for name in asked:
        own = regions.colours.get(name)
        dyed = own is None or rng.random() < _DYED_TARGETS
        wanted = _pick(rng, source.palette(name), without=own) if dyed else None
        said[name] = wanted or str(own)
        keep = dyed and rng.random() < _OWN_BEFORE
        after[name] = wanted
        before[name] = None if keep else _pick(rng, source.palette(name), without=said[name])
    levels = {
        (name, colour): _levels(rng, colour, source.palette(name))
        for dyes in (before, after)
        for name, colour in dyes.items()
        if colour is not None
    }
    words = known = source.describe_parts(rng, index, said)
    if word_dropout:
        words, unknown = forget(rng, words, word_dropout, source.decides)
        after |= {name: before[name] for name in unknown}
        words = interrupt(rng, words, word_dropout)
    return Pair(
        before=_coloured(picture, regions, before, levels),
        picture=_coloured(picture, regions, after, levels),
        words=words,
        known=known,
    )


def encode(
    words: Words, regions: Regions, vocabulary: Vocabulary, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and, for each, the labels of the part it speaks of (:meth:`Regions.bits`, 0 where
    it speaks of none), both int32 [most]."""
    tokens = np.full(most, PAD, np.int32)
    spoken = np.zeros(most, np.int32)
    for place, (word, name) in enumerate(words[:most]):
        tokens[place] = vocabulary.id(word)
        spoken[place] = 0 if name is None else regions.bits(name)
    return tokens, spoken


def _coloured(
    picture: np.ndarray,
    regions: Regions,
    dyes: Mapping[str, str | None],
    levels: Mapping[tuple[str, str], np.ndarray],
) -> np.ndarray:
    """The picture with parts and groups in the colours of ``dyes``, each dyed by itself."""
    for name, colour in dyes.items():
        if colour is not None:
            where = (regions.bits(name) >> regions.labels.astype(np.int32)) & 1
            # The edge of a part is soft in a photograph.
            soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 0.7)
            picture = dye(picture, soft, levels[name, colour])
    return picture


def _levels(rng: np.random.Generator, name: str, palette: Palette) -> np.ndarray:
    """sRGB levels that have a name, not always the same."""
    own = [np.array(levels, float) for other, levels in palette if other == name]
    centre = own[int(rng.integers(len(own)))]
    for _ in range(_TRIES):
        levels = np.clip(centre + rng.uniform(-_JITTER, _JITTER, 3), 0, 255)
        if commonest_colour(levels[None], palette) == name:
            return levels
    return centre


def _pick(rng: np.random.Generator, palette: Palette, without: str | None = None) -> str:
    left = list(dict.fromkeys(name for name, _ in palette if name != without))
    return left[int(rng.integers(len(left)))]
