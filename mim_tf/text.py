"""Captions to token ids, and pretrained word vectors.

Tokens are the runs of ``\\w`` characters in lower case; U+FFFD counts as a blank. Id 0 is the
padding, id 1 stands for every unknown word. The vocabulary is built from the training captions
alone, saved in the run directory and used by every later command.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mim_tf import json_text
from mim_tf.errors import UserError
from mim_tf.storage import replace_text

PAD, UNKNOWN = 0, 1
_WORD = re.compile(r"\w+")


def tokenize(caption: str) -> list[str]:
    """The words of a caption, lower case."""
    return _WORD.findall(caption.replace("\ufffd", " ").lower())


class Vocabulary:
    """The known words and their ids.

    Args:
        words: in the order of their ids; the first word has id 2.

    Raises:
        UserError: a word is there twice.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: index + 2 for index, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise UserError("the vocabulary names a word twice; build it again")

    def __len__(self) -> int:
        """Number of ids: those of the words, of the padding and of unknown words."""
        return len(self.words) + 2

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 1) -> Vocabulary:
        """The words that occur at least ``min_count`` times in the captions.

        The most frequent word comes first; equally frequent words are in alphabetical order.
        """
        counts = Counter(word for caption in captions for word in tokenize(caption))
        kept = [word for word, count in counts.items() if count >= min_count]
        return cls(sorted(kept, key=lambda word: (-counts[word], word)))

    def id(self, word: str) -> int:
        """The id of a word in lower case; `UNKNOWN` for an unknown word."""
        return self._ids.get(word, UNKNOWN)

    def encode(self, caption: str, max_words: int) -> np.ndarray:
        """Token ids ``[max_words]`` int32, cut at the end or padded with 0."""
        ids = [self.id(word) for word in tokenize(caption)[:max_words]]
        return np.array(ids + [PAD] * (max_words - len(ids)), np.int32)

    def reads(self, caption: str, max_words: int) -> bool:
        """Whether it knows one of a caption's words that are not cut."""
        return bool((self.encode(caption, max_words) > UNKNOWN).any())

    def save(self, path: Path) -> None:
        """Write the words to a JSON file."""
        replace_text(path, json.dumps({"words": self.words}, ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what :meth:`save` wrote.

        Raises:
            UserError: there is no such file, or it is not a vocabulary.
        """
        try:
            words = json_text.read(path)["words"]
            if not all(isinstance(word, str) for word in words):
                raise TypeError
            return cls(words)
        except FileNotFoundError:
            raise UserError(f"no vocabulary at {path}; is this a run directory?") from None
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path} is no vocabulary file (JSON with a list 'words')") from None


@dataclass(frozen=True)
class WordVectors:
    """Pretrained embeddings of a vocabulary's words.

    Attributes:
        table: ``[len(vocabulary), dim]`` float32; row 0, the padding, is zero.
        known: ``[len(vocabulary)]`` bool, which rows came from the file.
        trainable: False keeps the known rows fixed in training; the other rows are always trained.
    """

    table: np.ndarray
    known: np.ndarray
    trainable: bool = True

    @property
    def share(self) -> float:
        """The share of the vocabulary's words that the file holds."""
        return float(self.known[UNKNOWN + 1 :].mean())


def word_vectors(
    path: Path, vocabulary: Vocabulary, seed: int, *, trainable: bool = True
) -> WordVectors:
    """Read the vectors of the vocabulary's words from a GloVe text or fastText ``.vec`` file.

    Words without a vector get random ones, normally distributed with the mean and the standard
    deviation of the vectors that were found.

    Args:
        path: each line is ``word v1 v2 ...``; gzipped where the name ends in ``.gz``. A first line
            of two integers is fastText's header. Of several lines for a word the first counts.
        vocabulary: its ids are the rows of the result.
        seed: of the random vectors.
        trainable: see :class:`WordVectors`.

    Raises:
        UserError: the file does not exist, cannot be read, holds none of the words, or holds a
            vector of a word that is malformed or not as long as the others.
    """
    if not path.is_file():  # /dev/zero never comes to an end of a line
        raise UserError(f"data.word_vectors: cannot read {path}: there is no such plain file")
    rows: dict[int, np.ndarray] = {}
    dim = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                word, *values = line.rstrip().split(b" ", 1)
                count = len(values[0].split()) if number <= 2 and values else 0
                if number == 1 and count == 1:
                    continue  # fastText's header
                dim = dim or count
                index = vocabulary.id(word.decode("utf-8", "replace"))
                if index > UNKNOWN and index not in rows:
                    rows[index] = _row(values[0] if values else b"", dim, f"{path}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"data.word_vectors: cannot read {path}: {error}") from None
    if not rows:
        raise UserError(f"{path} holds no vector of any word of the captions")
    found = np.stack(list(rows.values()))
    generator = np.random.default_rng(seed)
    table = generator.normal(found.mean(), found.std(), (len(vocabulary), dim)).astype(np.float32)
    table[PAD] = 0
    table[list(rows)] = found
    known = np.zeros(len(vocabulary), bool)
    known[list(rows)] = True
    return WordVectors(table, known, trainable)


def _row(text: bytes, dim: int, where: str) -> np.ndarray:
    """A line's numbers, [dim] float32; ``where`` is the file and the line, for errors."""
    values = text.split()
    if len(values) != dim:
        raise UserError(f"{where}: {len(values)} numbers instead of {dim}")
    try:
        row = np.array([float(value) for value in values], np.float32)
    except ValueError:
        raise UserError(f"{where}: not a row of numbers") from None
    if not np.isfinite(row).all():
        raise UserError(f"{where}: holds a number that is not finite")
    return row
