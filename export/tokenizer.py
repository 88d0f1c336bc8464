"""Captions to token ids inside a graph, so that an exported model takes sentences."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_text as tf_text

from mim_tf.text import PAD, UNKNOWN, Vocabulary

NO_WORD = r"[^\p{L}\p{N}_]+"
"""What parts words, as a regular expression of RE2; in Python it is ``\\W+``."""


class GraphTokenizer(tf.Module):
    """:meth:`Vocabulary.encode` in a graph, for exported models; the same ids.

    Except for letters younger than Unicode 13, whose lower case TensorFlow does not know.

    Args:
        vocabulary: the known words.
        max_words: T.
    """

    def __init__(self, vocabulary: Vocabulary, max_words: int) -> None:
        super().__init__()
        self.max_words = max_words
        words = tf.constant([word.encode() for word in vocabulary.words], tf.string)
        ids = tf.range(UNKNOWN + 1, len(vocabulary), dtype=tf.int32)
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(words, ids), UNKNOWN
        )

    def __call__(self, captions):
        """``captions`` [B], UTF-8 -> ids [B, T] int32, cut at the end or padded with 0."""
        words = tf_text.regex_split(self.normal(captions), NO_WORD)
        ids = self.table.lookup(words)
        return ids.to_tensor(PAD, shape=[None, self.max_words])

    def normal(self, captions):
        """Captions, UTF-8, in lower case."""
        # ICU ends a string at its first null character, Python does not.
        text = tf.strings.regex_replace(captions, r"\x00", " ")
        # What is no UTF-8 becomes U+FFFD, which is no letter, so it parts words.
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        return tf.strings.lower(text, encoding="utf-8")
