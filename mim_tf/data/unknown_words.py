"""Words that nobody knows, in captions that train: so they change nothing (``word_dropout``)."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from mim_tf.data.regions import Words
from mim_tf.data.wording import SYNONYMS
from mim_tf.text import PAD, UNKNOWN

FORGOTTEN = ""  # stands for a word that nobody knows
_TWO_WORDS = {
    tuple(name.split()) for names in SYNONYMS.values() for name in names if " " in name
}  # colours: navy blue


def forget(
    rng: np.random.Generator, words: Words, share: float, decides: Callable[[str], bool]
) -> tuple[Words, set[str]]:
    """The words, a share of them replaced by one that nobody knows, and what is unknown by that: of
    it no word speaks any more. A colour of two words is known or unknown as a whole: "navy blue"
    without its first word is another colour."""
    gone = rng.random(len(words)) < share
    for place, ((first, _), (second, _)) in enumerate(itertools.pairwise(words)):
        if (first, second) in _TWO_WORDS:
            gone[place + 1] = gone[place]
    unknown = {
        name
        for (word, name), lost in zip(words, gone, strict=True)
        if lost and name and decides(word)
    }
    left = tuple(
        (FORGOTTEN if lost else word, None if name in unknown else name)
        for (word, name), lost in zip(words, gone, strict=True)
    )
    return left, unknown


def interrupt(rng: np.random.Generator, words: Words, share: float) -> Words:
    """The words, with a further one that nobody knows in a share of the places between them."""
    result: list[tuple[str, str | None]] = []
    for place, put_in in enumerate(rng.random(len(words) + 1) < share):
        if put_in:
            result.append((FORGOTTEN, None))
        result += words[place : place + 1]
    return tuple(result)


def damage(
    tokens: np.ndarray, share: float, seeds: list[int], first: int, *, put_in: bool
) -> np.ndarray:
    """Captions int32 [count, T] of the samples from position ``first`` on, with a share of their
    words unknown and, where ``put_in``, as large a share of places between words with a further
    unknown one: what :func:`forget` and :func:`interrupt` do to words."""
    if not share:
        return tokens
    result = np.full_like(tokens, PAD)
    for row, caption in enumerate(tokens):
        rng = np.random.default_rng([*seeds, first + row])
        lost = rng.random(len(caption)) < share
        words = np.where(lost, UNKNOWN, caption)[caption != PAD]
        if put_in:
            places = np.flatnonzero(rng.random(len(words) + 1) < share)
            words = np.insert(words, places, UNKNOWN)[: len(caption)]
        result[row, : len(words)] = words
    return result
