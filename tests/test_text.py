"""Vocabulary and word vectors."""

from __future__ import annotations

import numpy as np
import pytest

from mim_tf.errors import UserError
from mim_tf.text import Vocabulary, tokenize, word_vectors


def test_tokens_are_lower_case_words_and_u_fffd_is_a_blank():
    assert tokenize("A Blue-winged\ufffdbird, é!") == ["a", "blue", "winged", "bird", "é"]


def test_ids_follow_frequency_and_rare_words_are_unknown():
    vocabulary = Vocabulary.build(["b a a", "a c b"], min_count=2)
    assert vocabulary.words == ("a", "b") and len(vocabulary) == 4
    np.testing.assert_array_equal(vocabulary.encode("a c b", 4), [2, 1, 3, 0])


def test_long_captions_are_cut_at_the_end():
    vocabulary = Vocabulary(["a", "b"])
    np.testing.assert_array_equal(vocabulary.encode("a b a b", 2), [2, 3])


def test_save_and_load(tmp_path):
    vocabulary = Vocabulary(["a", "é"])
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json").words == vocabulary.words


@pytest.mark.parametrize("text", ["", "  ... ", "!?"])
def test_an_empty_caption_is_refused(text):
    with pytest.raises(UserError, match="has no words"):
        Vocabulary(["a"]).encode_request(text, 4)


def test_an_all_unknown_caption_is_refused():
    with pytest.raises(UserError, match="no word of the caption"):
        Vocabulary(["a"]).encode_request("zebra crossing", 4)


@pytest.mark.parametrize("content", ["", "[]", '{"words": 3}', "{}"])
def test_a_broken_vocabulary_file_is_refused(tmp_path, content):
    file = tmp_path / "v.json"
    file.write_text(content)
    with pytest.raises(UserError, match="vocabulary"):
        Vocabulary.load(file)


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_word_vectors_keep_the_rows_of_the_vocabulary(tmp_path, header):
    file = tmp_path / "vectors.txt"
    file.write_text(header + "the 0.5 1\nred 1 2\nblue 3 4\n")
    table, share = word_vectors(file, Vocabulary(["red", "blue", "zebra"]), seed=0)
    assert table.shape == (5, 2) and share == pytest.approx(2 / 3)
    np.testing.assert_array_equal(table[[0, 2, 3]], [[0, 0], [1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("content", "expected"),
    [("red 1 2\nblue 1\n", ":2: 1 numbers instead of 2"), ("red x y\n", "not a row of numbers"),
     ("cat 1 2\n", "no vector of any word")],
)  # fmt: skip
def test_broken_word_vectors_are_refused(tmp_path, content, expected):
    file = tmp_path / "vectors.txt"
    file.write_text(content)
    with pytest.raises(UserError, match=expected):
        word_vectors(file, Vocabulary(["red", "blue"]), seed=0)
