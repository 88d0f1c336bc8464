"""Damaged files for property tests: real ones with bytes changed, cut, doubled or put in."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# The same examples on every run, and no limit on the time of one: machines differ.
BUDGET = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """A file with up to four changes; sometimes none."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(("flip", "cut", "insert", "double", "zero")))
        if kind == "flip" and content:
            content[place] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[place:]
        elif kind == "insert":
            content[place:place] = draw(st.binary(max_size=40))
        elif kind == "double":
            content[place:place] = content[place : place + 200]
        elif kind == "zero":
            content[place : place + 8] = bytes(8)
    return bytes(content)


def json_values() -> st.SearchStrategy:
    """Any JSON value, of a few levels; strings with halves of surrogate pairs, too."""
    text = st.text(st.characters(), max_size=8)
    plain = st.none() | st.booleans() | st.integers() | st.floats() | text
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=6,
    )


@st.composite
def altered(draw, tree):
    """A JSON value in which one part, wherever, is another value, or is missing."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(tree)))
        if draw(st.integers(0, 5)) == 0:
            return {name: value for name, value in tree.items() if name != key}
        return tree | {key: draw(altered(tree[key]))}
    if isinstance(tree, list) and tree and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(tree) - 1))
        return [*tree[:place], draw(altered(tree[place])), *tree[place + 1 :]]
    return draw(json_values())
