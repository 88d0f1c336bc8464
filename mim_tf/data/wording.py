"""What captions of our own have in common: words for colours, choices, lists, articles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SYNONYMS = {
    "black": ("black", "black", "ebony"),
    "white": ("white", "white", "snowy"),
    "grey": ("grey", "grey", "gray"),
    "brown": ("brown", "brown", "chestnut"),
    "red": ("red", "red", "crimson", "scarlet"),
    "yellow": ("yellow", "yellow", "golden"),
    "blue": ("blue", "blue", "azure"),
    "green": ("green", "green", "emerald"),
    "purple": ("purple", "purple", "violet"),
    "pink": ("pink", "pink", "rosy"),
    "orange": ("orange",),
    "navy blue": ("navy blue", "navy"),
}
"""Name of a colour (:mod:`mim_tf.pictures.colours`) -> words for it, those that are met more often
more than once."""


def word_for(rng: np.random.Generator, colour: str) -> str:
    """A word, or two, for a colour."""
    words = SYNONYMS[colour]
    return words[int(rng.integers(len(words)))]


def one_of(rng: np.random.Generator, *choices: str) -> str:
    """One of the choices, each as likely."""
    return choices[int(rng.integers(len(choices)))]


def listed(things: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"


def article(phrase: str) -> str:
    """The indefinite one before a phrase."""
    return "an" if phrase[0] in "aeiou" else "a"


def with_article(phrase: str) -> str:
    """A phrase after its indefinite article."""
    return f"{article(phrase)} {phrase}"


def is_plural(thing: str) -> bool:
    """Whether a thing's name takes no article: trousers, jeans."""
    return thing.endswith("s") and not thing.endswith("ss")
