"""Captions for the procedural birds: a small grammar, its parser and random draws.

A caption names one to four parts of the bird with their colours, "a small bird with blue wings and
a white belly". Read as a description it belongs to a picture; read as a wish it asks for an edit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from mim_tf.data.birds.scenes import COLOURS, PARTS

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet"),
    "yellow": ("yellow", "golden", "lemon"),
    "green": ("green", "emerald", "viridian"),
    "blue": ("blue", "azure", "cobalt"),
    "purple": ("purple", "violet", "plum"),
    "pink": ("pink", "rosy", "rose"),
    "black": ("black", "ebony", "sable"),
    "white": ("white", "snowy", "ivory"),
}

PART_WORDS: dict[str, tuple[str, ...]] = {
    "wings": ("wings", "wing feathers"),
    "belly": ("belly", "breast", "underside"),
    "crown": ("crown", "cap", "top of the head"),
    "tail": ("tail", "tail feathers"),
}

MAX_WORDS = 24

_NAME_SHARE = 0.7  # how often a colour or a part goes by its own name
_ADJECTIVES = ("small", "little", "tiny", "pretty", "lovely", "plump", "lively", "young", "wild")
_PLURAL = frozenset({"wings", "wing feathers", "tail feathers"})
# "a red top of the head" is no English: this one only stands before a verb, and after "the".
_ONLY_BEFORE_A_VERB = frozenset({"top of the head"})


def _patterns(words: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    return [(phrase, name) for name, phrases in words.items() for phrase in phrases]


_MEANING: dict[str, tuple[str, str]] = {
    **{phrase: ("colour", name) for phrase, name in _patterns(COLOUR_WORDS)},
    **{phrase: ("part", name) for phrase, name in _patterns(PART_WORDS)},
}
# Longest first, so that "tail feathers" is not read as "tail" and a rest.
_SCAN = re.compile(
    r"\b(" + "|".join(sorted(map(re.escape, _MEANING), key=len, reverse=True)) + r")\b"
)


def _word(rng: np.random.Generator, words: Sequence[str]) -> str:
    """The name itself in about 70 % of the draws, else one of its synonyms."""
    if len(words) == 1 or rng.random() < _NAME_SHARE:
        return words[0]
    return words[1 + int(rng.integers(len(words) - 1))]


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


def _shuffled(rng: np.random.Generator, colours: Mapping[str, str]) -> list[tuple[str, str]]:
    """Parts with their colours in random order, whatever order they came in."""
    parts = sorted(colours)
    return [(parts[i], colours[parts[i]]) for i in rng.permutation(len(parts))]


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _join(items: Sequence[str]) -> str:
    """ "x", "x and y", "x, y and z"."""
    if len(items) == 1:
        return items[0]
    return ", ".join(items[:-1]) + " and " + items[-1]


def _bird(rng: np.random.Generator) -> str:
    return f"{_pick(rng, _ADJECTIVES)} bird" if rng.random() < 0.5 else "bird"


def _possession(rng: np.random.Generator, part: str, colour: str) -> str:
    """ "blue wings", "an orange belly"."""
    words = tuple(word for word in PART_WORDS[part] if word not in _ONLY_BEFORE_A_VERB)
    noun = _word(rng, words)
    phrase = f"{_word(rng, COLOUR_WORDS[colour])} {noun}"
    return phrase if noun in _PLURAL else _article(phrase)


def _possessions(rng: np.random.Generator, pairs: Sequence[tuple[str, str]]) -> str:
    return _join([_possession(rng, part, colour) for part, colour in pairs])


def _statement(rng: np.random.Generator, parts: Sequence[str], colour: str, owner: str) -> str:
    """ "its wings are blue", "the tail and crown are both yellow"."""
    nouns = [_word(rng, PART_WORDS[part]) for part in parts]
    if any(noun in _ONLY_BEFORE_A_VERB for noun in nouns):
        owner = "the"
    if len(nouns) == 1:
        verb = "are" if nouns[0] in _PLURAL else "is"
    else:
        verb = _pick(rng, ("are", "are both" if len(nouns) == 2 else "are all"))
    return f"{owner} {_join(nouns)} {verb} {_word(rng, COLOUR_WORDS[colour])}"


def _statements(rng: np.random.Generator, pairs: Sequence[tuple[str, str]], owner: str) -> str:
    """One statement for each part, or for each colour where parts share one."""
    groups: dict[str, list[str]] = {}
    if rng.random() < 0.75:
        for part, colour in pairs:
            groups.setdefault(colour, []).append(part)
        return _join([_statement(rng, parts, colour, owner) for colour, parts in groups.items()])
    return _join([_statement(rng, [part], colour, owner) for part, colour in pairs])


def _sentence(rng: np.random.Generator, pairs: Sequence[tuple[str, str]]) -> str:
    template = int(rng.integers(9))
    if template == 0:
        return f"a {_bird(rng)} with {_possessions(rng, pairs)}"
    if template == 1:
        return f"this {_bird(rng)} has {_possessions(rng, pairs)}"
    if template == 2:
        return f"this is a {_bird(rng)} with {_possessions(rng, pairs)}"
    if template == 3:
        return f"a {_bird(rng)} that has {_possessions(rng, pairs)}"
    if template == 4:
        return f"{_possessions(rng, pairs)} on a {_bird(rng)}"
    if template == 5:
        return _statements(rng, pairs, "the")
    if template == 6:
        return _statements(rng, pairs, "its")
    if template == 7:
        return f"the {_bird(rng)} shows {_possessions(rng, pairs)}"
    if len(pairs) == 1:
        return f"a {_bird(rng)}, {_statements(rng, pairs, 'its')}"
    cut = int(rng.integers(1, len(pairs)))
    opening = _pick(rng, ("this {} has", "the {} has", "a {} with")).format(_bird(rng))
    joint = ", " if opening.endswith("with") else ", and "
    return (
        f"{opening} {_possessions(rng, pairs[:cut])}{joint}{_statements(rng, pairs[cut:], 'its')}"
    )


def caption(rng: np.random.Generator, colours: Mapping[str, str]) -> str:
    """A sentence that mentions exactly the given parts with their colours, in random order.

    Args:
        rng: the source of every choice.
        colours: part -> colour name, one to four parts.

    Returns:
        Lower case, at most `MAX_WORDS` words.

    Raises:
        ValueError: no part given.
    """
    if not colours:
        raise ValueError("a caption needs at least one part with its colour")
    while True:
        pairs = _shuffled(rng, colours)
        sentence = _sentence(rng, pairs)
        if len(re.findall(r"\w+", sentence)) <= MAX_WORDS:
            return sentence


def terse(rng: np.random.Generator, colours: Mapping[str, str]) -> str:
    """What somebody types who wants an edit: "red wings, white belly", "make the crown blue".

    Args:
        rng: the source of every choice.
        colours: part -> colour name, one to four parts.
    """
    named = [
        (_word(rng, PART_WORDS[part]), _word(rng, COLOUR_WORDS[colour]))
        for part, colour in _shuffled(rng, colours)
    ]
    if rng.random() < 0.5:
        return "make " + _join([f"the {noun} {colour}" for noun, colour in named])
    phrases = [f"{colour} {noun}" for noun, colour in named]
    return _join(phrases) if rng.random() < 0.5 else ", ".join(phrases)


def parse(caption: str) -> dict[str, str]:
    """The parts and colours a caption of the grammar names: part -> colour name.

    A colour belongs to the part right after it ("blue wings") unless parts without one stand
    before it ("the wings and tail are blue").
    """
    found: dict[str, str] = {}
    waiting: list[str] = []
    colour: str | None = None
    for match in _SCAN.finditer(caption.lower()):
        kind, name = _MEANING[match.group(1)]
        if kind == "part":
            if colour is None:
                waiting.append(name)
            else:
                found[name] = colour
                colour = None
        elif waiting:
            found.update(dict.fromkeys(waiting, name))
            waiting = []
        else:
            colour = name
    return found


def _some_parts(rng: np.random.Generator) -> list[str]:
    """One to four parts: the number uniform, then the parts."""
    count = int(rng.integers(1, len(PARTS) + 1))
    return [PARTS[i] for i in rng.permutation(len(PARTS))[:count]]


def draw_caption(rng: np.random.Generator, colours: Mapping[str, str]) -> str:
    """A caption that is true of a bird with these colours (part -> colour name, all four parts)."""
    return caption(rng, {part: colours[part] for part in _some_parts(rng)})


def draw_terse(rng: np.random.Generator, colours: Mapping[str, str]) -> str:
    """:func:`draw_caption` by :func:`terse`."""
    return terse(rng, {part: colours[part] for part in _some_parts(rng)})


def draw_edit(rng: np.random.Generator, colours: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A caption that asks a bird with these colours for a change of one to four parts.

    Returns:
        The caption and the changes, part -> new colour, each unlike the part's present colour.
    """
    changes = {
        part: _pick(rng, [name for name in COLOURS if name != colours[part]])
        for part in _some_parts(rng)
    }
    return caption(rng, changes), changes
