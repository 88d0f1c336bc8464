"""The messages about a caption inside a graph: `mim_tf.captions.check_caption` for a SavedModel.

A server that runs an exported model has no Python, so the check is written once more, in operations
of strings. ``tests/export/test_caption_check.py`` holds it to Python's messages, letter by letter.

Dimensions: N words of a caption, V words of the vocabulary, L letters of its longest word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from mim_tf import captions
from mim_tf.text import UNKNOWN

from .tokenizer import NO_WORD, GraphTokenizer

_FAR = 1 << 20  # a distance that is none


class Checked(NamedTuple):
    """What is said about captions [B].

    Attributes:
        messages: string [B], one message a line; empty where all is well.
        refuses: bool [B].
        forcible: bool [B], of the refused ones those that may be edited by anyway.
    """

    messages: tf.Tensor
    refuses: tf.Tensor
    forcible: tf.Tensor


class GraphCaptions:
    """:func:`mim_tf.captions.check_caption` in a graph; the same messages.

    Args:
        tokenizer: holds the table of known words.
        vocabulary: the known words, the most frequent first.
        deciding_words: those of them that say what to change to, such as colours.
    """

    def __init__(
        self, tokenizer: GraphTokenizer, vocabulary: Sequence[str], deciding_words: Sequence[str]
    ) -> None:
        self._tokenizer = tokenizer
        self._vocabulary, self._deciding = list(vocabulary), list(deciding_words)
        self._listed = captions.listed_words(vocabulary, deciding_words)
        self._lengths = np.array([len(word) for word in vocabulary], np.int32)
        self._letters = np.zeros([len(vocabulary), int(self._lengths.max())], np.int32)
        for row, word in zip(self._letters, vocabulary, strict=True):
            row[: len(word)] = [ord(letter) for letter in word]

    def __call__(self, caption) -> Checked:
        """Check captions [B], UTF-8."""
        checked = tf.map_fn(
            self._check, caption, fn_output_signature=Checked(tf.string, tf.bool, tf.bool)
        )
        return Checked(*checked)

    def _check(self, caption) -> Checked:
        """The messages of one caption, a scalar."""
        words, suffix = self._split(caption)
        limit = self._tokenizer.max_words
        read, cut = words[:limit], words[limit:]
        known = self._tokenizer.table.lookup(read) > UNKNOWN
        negations = _negations(read, suffix[:limit])
        passed = _is_one_of(read, sorted(captions.FILLERS)) | (suffix[:limit] & (read == "s"))
        bare = (negations == "") & tf.logical_not(known | passed)
        unknown = tf.unique(tf.boolean_mask(read, bare))[0]
        negated = tf.unique(tf.boolean_mask(negations, negations != ""))[0]

        empty = tf.size(words) == 0
        nothing_known = tf.logical_not(empty | tf.reduce_any(known))
        undecided = tf.constant(False)
        if self._deciding:
            decides = tf.reduce_any(_is_one_of(read, self._deciding))
            undecided = tf.logical_not(empty | nothing_known | decides)
        misread = tf.size(unknown) + tf.size(negated) > 0
        near = tf.map_fn(self._near, unknown, fn_output_signature=tf.string)
        unlike = tf.boolean_mask(unknown, near == "")
        lines = [
            _where(empty, captions.EMPTY),
            _where(nothing_known, captions.NO_KNOWN_WORD.format(self._listed)),
            _where(undecided, captions.UNDECIDED.format(self._listed)),
            _where(tf.size(negated) > 0, _fill(captions.NEGATION, _quoted(negated, "and"))),
            near,
            _where(tf.size(unlike) > 0, _fill(captions.UNLIKE, _quoted(unlike, "and"))),
            _where(
                tf.size(cut) > 0,
                _fill(captions.CUT, str(limit), tf.strings.reduce_join(cut, separator=" ")),
            ),
        ]
        forcible = undecided & misread
        return Checked(join_lines(*lines), empty | nothing_known | forcible, forcible)

    def _split(self, caption):
        """Words [N] in lower case, and whether an apostrophe stands right before each."""
        # The blanks give every word three bytes before it, as long as the longer apostrophe.
        text = "   " + self._tokenizer.normal(caption)
        words, starts, _ = tf_text.regex_split_with_offsets(text[None], NO_WORD)
        words = tf.ensure_shape(words.values, [None])
        starts = tf.ensure_shape(tf.cast(starts.values, tf.int32), [None])
        texts = tf.fill(tf.shape(starts), text)
        straight = tf.strings.substr(texts, starts - 1, tf.ones_like(starts)) == "'"
        curly = tf.strings.substr(texts, starts - 3, tf.fill(tf.shape(starts), 3)) == "\u2019"
        return words, straight | curly

    def _near(self, word):
        """The message with the known words near an unknown one; "" where there are none."""
        letters = tf.ensure_shape(tf.strings.unicode_decode(word, "UTF-8"), [None])
        length, longest = tf.size(letters), self._letters.shape[1]
        # No word of more letters is near, unless it begins with a known one.
        most = longest + captions.SHORTEST
        letters = letters[:most]
        padded = tf.ensure_shape(tf.pad(letters, [[0, most - tf.size(letters)]]), [most])
        shorter = tf.minimum(length, self._lengths)
        inside = tf.range(longest)[None] < shorter[:, None]
        same = tf.reduce_all((padded[None, :longest] == self._letters) | ~inside, axis=1)
        deciding = np.isin(self._vocabulary, self._deciding)
        begins = same & ((shorter >= 4) | (deciding & (self._lengths < length)))
        apart = tf.abs(length - self._lengths)
        allowed = tf.where((length > 5) & (padded[0] == self._letters[:, 0]), 2, 1)
        rows = tf.where(apart <= allowed)[:, 0]
        near = _edit_distances(
            letters, tf.gather(self._letters, rows), tf.gather(self._lengths, rows)
        )
        distance = tf.tensor_scatter_nd_update(
            tf.fill([len(self._vocabulary)], _FAR), rows[:, None], near
        )
        distance = tf.where(begins, apart, tf.where(distance <= allowed, distance, _FAR))
        can_be = (self._lengths >= captions.SHORTEST) & (length >= captions.SHORTEST)
        distance = tf.where(can_be, distance, _FAR)
        # Of equally near words this puts the first in the vocabulary first.
        nearest, order = tf.math.top_k(-distance, min(captions.NEAREST, len(self._vocabulary)))
        order = tf.boolean_mask(order, nearest > -_FAR)
        found = tf.gather(self._vocabulary, order)
        text = _fill(captions.NEAR, _quoted(word[None], "or"), _quoted(found, "or"))
        return _where(tf.size(order) > 0, text)


def join_lines(*texts):
    """Strings, scalars and [N], as lines of one text, without the empty ones."""
    lines = tf.concat([tf.reshape(text, [-1]) for text in texts], axis=0)
    return tf.strings.reduce_join(tf.boolean_mask(lines, lines != ""), separator="\n")


def _negations(words, suffix):
    """For each word the negation that it is part of, as it was typed, or ""."""
    before = tf.concat([[""], words[:-1]], axis=0)[: tf.size(words)]
    is_t = suffix & (words == "t") & tf.strings.regex_full_match(before, r"(?s).*n")
    # The word before a "t" is part of the negation too.
    ends = tf.concat([is_t[1:], [False]], axis=0)[: tf.size(words)]
    found = tf.where(_is_one_of(words, sorted(captions.NEGATIONS)), words, "")
    found = tf.where(ends, words + "'t", found)
    return tf.where(is_t, before + "'t", found)


def _is_one_of(words, listed: Sequence[str]):
    """Which of the words [N] are among those listed."""
    return tf.reduce_any(words[:, None] == tf.constant(listed)[None], axis=1)


def _edit_distances(letters, others, lengths):
    """:func:`mim_tf.captions.edit_distance` of a word to others, where it is at most 2.

    A larger distance is some number above 2.

    Args:
        letters: int32 [n], code points.
        others: int32 [R, L], code points of a word in each row, filled up with 0.
        lengths: int32 [R], how many letters each has.
    """
    count, width = tf.shape(others)[0], others.shape[1]
    first = tf.tile(tf.range(width + 1)[None], [count, 1])

    def row(i, letter, letter_before, above, above_that):
        same = others == letter
        replaced = above[:, :-1] + tf.cast(~same, tf.int32)
        swapped = tf.where(
            same[:, :-1] & (others[:, 1:] == letter_before) & (i > 1), above_that[:, :-2] + 1, _FAR
        )
        swapped = tf.pad(swapped, [[0, 0], [1, 0]], constant_values=_FAR)
        best = tf.minimum(tf.minimum(above[:, 1:] + 1, replaced), swapped)
        best = tf.concat([tf.fill([count, 1], i), best], axis=1)
        for _ in range(2):  # each adds one letter; more are too far
            added = tf.pad(best[:, :-1] + 1, [[0, 0], [1, 0]], constant_values=_FAR)
            best = tf.minimum(best, added)
        return best

    def step(i, above, above_that):
        letter_before = letters[tf.maximum(i - 1, 0)]
        return i + 1, row(i + 1, letters[i], letter_before, above, above_that), above

    shape = tf.TensorShape([None, width + 1])
    _, last, _ = tf.while_loop(
        lambda i, *_: i < tf.size(letters),
        step,
        [tf.constant(0), first, first],
        shape_invariants=[tf.TensorShape([]), shape, shape],
    )
    return tf.gather(last, lengths, axis=1, batch_dims=1)


def _fill(template: str, *texts):
    """``template.format(*texts)`` with tensors."""
    parts = template.split("{}")
    woven = [parts[0]]
    for text, part in zip(texts, parts[1:], strict=True):
        woven += [text, part]
    return tf.strings.join(woven)


def _quoted(words, joint: str):
    """ "'a'", "'a' and 'b'", "'a', 'b' and 'c'" of words [N]."""
    quoted = tf.strings.join(["'", words, "'"])
    head = tf.strings.reduce_join(quoted[:-1], separator=", ")
    return tf.strings.join(
        [head, _where(tf.size(words) > 1, f" {joint} "), tf.strings.reduce_join(quoted[-1:])]
    )


def _where(condition, text):
    """A text where the condition holds, else ""."""
    return tf.where(condition, text, "")
