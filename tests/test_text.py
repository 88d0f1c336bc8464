"""Vocabulary and word vectors."""

from __future__ import annotations

import gzip
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from export.tokenizer import GraphTokenizer
from mim_tf.config import ModelConfig
from mim_tf.errors import UserError
from mim_tf.models.encoders import TextEncoder
from mim_tf.text import Vocabulary, WordVectors, tokenize, word_vectors


def test_tokens_are_lower_case_words_and_u_fffd_counts_as_a_blank():
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


@pytest.mark.parametrize("content", ["", "[]", '{"words": 3}', "{}"])
def test_a_broken_vocabulary_file_is_refused(tmp_path, content):
    file = tmp_path / "v.json"
    file.write_text(content)
    with pytest.raises(UserError, match="vocabulary"):
        Vocabulary.load(file)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("header", ["", "5 2\n"])
def test_word_vectors_keep_the_rows_of_the_vocabulary(tmp_path, header, packed):
    # fastText ends its lines with a blank; GloVe 840B has words with a blank inside.
    text = header + "the 0.5 1 \nred 1 2 \nat home 9 9\nblue 3 4\nred 7 7\n"
    file = tmp_path / ("vectors.vec.gz" if packed else "vectors.vec")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    vectors = word_vectors(file, Vocabulary(["red", "blue", "zebra"]), seed=0)
    assert vectors.table.shape == (5, 2) and vectors.share == pytest.approx(2 / 3)
    np.testing.assert_array_equal(vectors.table[[0, 2, 3]], [[0, 0], [1, 2], [3, 4]])
    np.testing.assert_array_equal(vectors.known, [False, False, True, True, False])
    assert vectors.table[4].any() and vectors.trainable


def test_word_vectors_of_real_glove(samples):
    file = samples / "wordvec" / "glove.6B.50d.txt"
    vectors = word_vectors(file, Vocabulary(["the", "bird", "supercilium"]), seed=0)
    assert vectors.table.shape == (5, 50) and vectors.known[2] and not vectors.known[4]
    first = file.read_text("utf-8").split("\n", 1)[0].split(" ")
    assert first[0] == "the"
    np.testing.assert_array_equal(vectors.table[2], np.array(first[1:], np.float32))


@pytest.mark.parametrize("trainable", [True, False])
def test_fixed_word_vectors_stay_and_words_without_one_are_learned(trainable):
    table = np.arange(10, dtype=np.float32).reshape(5, 2) / 10
    known = np.array([False, False, True, True, False])
    encoder = TextEncoder(ModelConfig(text_dim=4), 5, WordVectors(table, known, trainable))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(encoder(np.array([[2, 3, 4, 1, 0]]))))
    rows = tf.convert_to_tensor(tape.gradient(loss, encoder.embedding.embeddings)).numpy()
    moved = np.abs(rows).sum(1) > 0
    np.testing.assert_array_equal(moved, [False, True, trainable, trainable, True])


def test_a_truncated_gzip_is_refused(tmp_path):
    file = tmp_path / "v.vec.gz"
    file.write_bytes(gzip.compress(b"red 1 2\n" * 999)[:-20])
    with pytest.raises(UserError, match="cannot read"):
        word_vectors(file, Vocabulary(["red"]), seed=0)


def test_every_character_in_a_graph_gives_the_ids_of_python():
    assigned = [
        chr(code)
        for code in range(0x110000)
        if not 0xD800 <= code <= 0xDFFF and unicodedata.category(chr(code)) != "Cn"
    ]
    new = new_letters(assigned)
    known = [letter for letter in assigned if letter not in new]
    assert len(known) > 280_000
    captions = [f"a{letter}b X_1{letter} \u03a3{letter}" for letter in known]
    words = sorted({word for caption in captions[::7] for word in tokenize(caption)})
    vocabulary = Vocabulary(words)
    encode = tf.function(GraphTokenizer(vocabulary, 4))
    expected = np.stack([vocabulary.encode(caption, 4) for caption in captions])
    np.testing.assert_array_equal(encode(tf.constant(captions)), expected)


def new_letters(letters: list[str]) -> set[str]:
    """Those whose lower case Python knows, and TensorFlow's older tables do not."""
    lowers = tf.strings.lower(tf.constant(letters), encoding="utf-8").numpy()
    pairs = zip(letters, lowers, strict=True)
    return {letter for letter, lower in pairs if lower.decode() == letter != letter.lower()}


def test_unusual_captions_in_a_graph_give_the_ids_of_python():
    vocabulary = Vocabulary(["a", "blue", "\u03c3\u03b1\u03c2", "i", "stanbul"])
    captions = [
        "",
        "...",
        "A  Blue-blue\ufffda",
        "\u03a3\u0391\u03a3",
        "\u0130stanbul",
        "a\0blue",
        "a " * 9,
    ]
    found = GraphTokenizer(vocabulary, 5)(tf.constant(captions))
    expected = np.stack([vocabulary.encode(caption, 5) for caption in captions])
    np.testing.assert_array_equal(found, expected)
    broken = GraphTokenizer(vocabulary, 3)(tf.constant([b"a\xff\xfeblue"]))
    np.testing.assert_array_equal(broken, [[2, 3, 0]])


@pytest.mark.parametrize(
    ("content", "expected"),
    [("red 1 2\nblue 1\n", ":2: 1 numbers instead of 2"), ("red x y\n", "not a row of numbers"),
     ("red nan 1\n", "not finite"),
     ("cat 1 2\n", "no vector of any word")],
)  # fmt: skip
def test_broken_word_vectors_are_refused(tmp_path, content, expected):
    file = tmp_path / "vectors.txt"
    file.write_text(content)
    with pytest.raises(UserError, match=expected):
        word_vectors(file, Vocabulary(["red", "blue"]), seed=0)
