"""Captions of our own for recoloured objects: a colour and the name of the thing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from mim_tf.data.colour_words import article, word_for
from mim_tf.data.regions import Words, caption_of
from mim_tf.text import tokenize

OBJECT = "object"
"""The one part that such pictures have."""

_CAPTIONS = 10  # a picture


def describe_object(rng: np.random.Generator, kind: str, colour: str) -> Words:
    """A caption that gives a thing its colour.

    Args:
        kind: the thing's name, of one or more words.
        colour: its name.
    """
    word = word_for(rng, colour)
    plural = kind.endswith("s") and not kind.endswith("ss")  # trousers, jeans
    one, it_is = ("", f"these {kind} are") if plural else (article(word), f"this {kind} is")
    form = (
        f"{one} {word} {kind}",
        f"{one} {word} {kind}",
        f"{it_is} {word}",
        f"make the {kind} {word}",
        f"{word} {kind}",
    )[int(rng.integers(5))]
    speaking = {*tokenize(word), *tokenize(kind)}
    return tuple((each, OBJECT if each in speaking else None) for each in tokenize(form))


def object_captions(name: str, kind: str, colours: Sequence[str]) -> tuple[str, ...]:
    """Captions in any colours, drawn from a picture's name: the words that training meets, and the
    false captions of other pictures."""
    rng = np.random.default_rng([14, zlib.crc32(name.encode())])
    captions = (
        caption_of(describe_object(rng, kind, colours[int(rng.integers(len(colours)))]))
        for _ in range(_CAPTIONS)
    )
    return tuple(dict.fromkeys(captions))
