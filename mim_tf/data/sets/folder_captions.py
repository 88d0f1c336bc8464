"""Captions of our own for recoloured objects: a colour and the name of the thing."""

from __future__ import annotations

import numpy as np

from mim_tf.data.regions import Words
from mim_tf.data.wording import SYNONYMS, article, is_plural, word_for
from mim_tf.text import tokenize

OBJECT = "object"
"""The one part that such pictures have."""
COLOUR_WORDS = frozenset(
    token for words in SYNONYMS.values() for word in words for token in tokenize(word)
)


def describe_object(rng: np.random.Generator, kind: str, colour: str) -> Words:
    """A caption that gives a thing its colour.

    Args:
        kind: the thing's name, of one or more words.
        colour: its name.
    """
    word = word_for(rng, colour)
    plural = is_plural(kind)
    one, it_is = ("", f"these {kind} are") if plural else (article(word), f"this {kind} is")
    form = (
        f"{one} {word} {kind}",
        f"{one} {word} {kind}",
        f"{it_is} {word}",
        f"make the {kind} {word}",
        f"change the {kind} to {word}",
        f"change the color of the {kind} to {word}",
        f"{word} {kind}",
    )[int(rng.integers(7))]
    speaking = {*tokenize(word), *tokenize(kind)}
    return tuple((each, OBJECT if each in speaking else None) for each in tokenize(form))
