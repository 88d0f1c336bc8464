"""Captions <-> token ids, and pretrained word vectors.

Tokens are the lower-case runs of ``\\w`` characters; U+FFFD counts as a blank. Id 0 pads, id 1
stands for every unknown word. The vocabulary is built from the training captions alone, saved in
the run directory and used by every later step.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from mim_tf.errors import UserError

PAD, UNKNOWN = 0, 1
_WORD = re.compile(r"\w+")


def tokenize(caption: str) -> list[str]:
    """The words of a caption, lower case."""
    return _WORD.findall(caption.replace("\ufffd", " ").lower())


class Vocabulary:
    """The known words, in the order of their ids (id of the first word: 2)."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: index + 2 for index, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise UserError("the vocabulary names a word twice; build it again")

    def __len__(self) -> int:
        """Number of ids: the words, the padding and the unknown."""
        return len(self.words) + 2

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 1) -> Vocabulary:
        """Words that occur at least ``min_count`` times, the most frequent first."""
        counts = Counter(word for caption in captions for word in tokenize(caption))
        kept = [word for word, count in counts.items() if count >= min_count]
        return cls(sorted(kept, key=lambda word: (-counts[word], word)))

    def id(self, word: str) -> int:
        return self._ids.get(word, UNKNOWN)

    def encode(self, caption: str, max_words: int) -> np.ndarray:
        """Token ids ``[max_words]`` int32, cut at the end or padded with 0."""
        ids = [self.id(word) for word in tokenize(caption)[:max_words]]
        return np.array(ids + [PAD] * (max_words - len(ids)), np.int32)

    def encode_request(self, caption: str, max_words: int) -> np.ndarray:
        """Like :meth:`encode`, for a caption somebody typed.

        Raises:
            UserError: the caption has no words, or none that training knew.
        """
        words = tokenize(caption)
        if not words:
            raise UserError(f"the caption {caption!r} has no words; say what to change")
        ids = self.encode(caption, max_words)
        if not np.any(ids > UNKNOWN):
            known = ", ".join(self.words[:12])
            raise UserError(
                f"no word of the caption {caption!r} was in the training captions; "
                f"words it knows: {known}, ..."
            )
        return ids

    def save(self, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"words": self.words}, ensure_ascii=False), "utf-8")
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        try:
            return cls(json.loads(path.read_text("utf-8"))["words"])
        except FileNotFoundError:
            raise UserError(f"no vocabulary at {path}; is this a run directory?") from None
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path} is no vocabulary file (JSON with a list 'words')") from None


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
        import tensorflow_text as tf_text  # half a second that only exports need

        # ICU ends a string at its first null character, Python does not.
        text = tf.strings.regex_replace(captions, r"\x00", " ")
        # What is no UTF-8 becomes U+FFFD, which is no letter, so it parts words.
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        text = tf.strings.lower(text, encoding="utf-8")
        words = tf_text.regex_split(text, r"[^\p{L}\p{N}_]+")
        ids = self.table.lookup(words)
        return ids.to_tensor(PAD, shape=[None, self.max_words])


def word_vectors(path: Path, vocabulary: Vocabulary, seed: int) -> tuple[np.ndarray, float]:
    """The rows of a GloVe or fastText text file that the vocabulary needs.

    Args:
        path: ``word v1 v2 ...`` a line; a first line of two integers is a header.
        vocabulary: whose ids index the result.
        seed: of the normal rows that stand in for words without a vector.

    Returns:
        ``[len(vocabulary), dim]`` float32 (row 0, the padding, is zero) and the share of the
        vocabulary's words that were found.

    Raises:
        UserError: no such file, or a line that does not fit the first one.
    """
    rows: dict[int, np.ndarray] = {}
    dim = None
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                word, *values = line.rstrip().split(" ")
                if number == 1 and len(values) == 1:
                    continue
                dim = dim or len(values)
                if len(values) != dim:
                    raise UserError(f"{path}:{number}: {len(values)} numbers instead of {dim}")
                index = vocabulary.id(word)
                if index > UNKNOWN:
                    try:
                        rows[index] = np.array(values, np.float32)
                    except ValueError:
                        raise UserError(f"{path}:{number}: not a row of numbers") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"data.word_vectors: cannot read {path}: {error}") from None
    if not rows or dim is None:
        raise UserError(f"{path} holds no vector of any word of the captions")
    found = np.stack(list(rows.values()))
    generator = np.random.default_rng(seed)
    table = generator.normal(found.mean(), found.std(), (len(vocabulary), dim)).astype(np.float32)
    table[PAD] = 0
    table[list(rows)] = found
    return table, len(rows) / len(vocabulary.words)
