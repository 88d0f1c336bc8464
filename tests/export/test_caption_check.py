"""The check of captions in the graph gives Python's messages, letter by letter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from export.caption_check import GraphCaptions
from export.tokenizer import GraphTokenizer
from mim_tf.captions import check_caption
from mim_tf.text import Vocabulary

SHARED = json.loads((Path(__file__).parents[1] / "captions.json").read_text("utf-8"))
WORDS, DECIDING = SHARED["vocabulary"], SHARED["deciding_words"]


def graph_of(words, deciding, max_words):
    """A function of a list of captions, and the module that holds its table."""
    tokenizer = GraphTokenizer(Vocabulary(words), max_words)
    check = tf.function(
        GraphCaptions(tokenizer, words, deciding),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    return lambda captions: check(tf.constant([text.encode() for text in captions])), tokenizer


def expected(caption, words, deciding, max_words):
    messages = check_caption(caption, words, max_words, deciding)
    return "\n".join(message.text for message in messages), any(
        message.refuses for message in messages
    )


def test_each_caption_gets_its_messages():
    check, _table = graph_of(WORDS, DECIDING, SHARED["max_words"])
    found = check([case["caption"] for case in SHARED["cases"]])
    for case, text, refuses, forcible in zip(
        SHARED["cases"], *(part.numpy() for part in found), strict=True
    ):
        assert text.decode() == "\n".join(message["text"] for message in case["messages"])
        assert refuses == any(message["refuses"] for message in case["messages"])
        kinds = [message["kind"] for message in case["messages"] if message["refuses"]]
        assert forcible == (kinds == ["undecided"])


def altered(rng, word: str) -> str:
    """A word with up to three letters left out, put in, replaced or swapped."""
    letters = list(word)
    for _ in range(rng.integers(0, 4)):
        place = int(rng.integers(0, len(letters) + 1))
        match rng.integers(0, 4):
            case 0:
                letters[place : place + 1] = []
            case 1:
                letters.insert(place, str(rng.choice(list("abdelnrs"))))
            case 2:
                letters[place : place + 1] = [str(rng.choice(list("aeiou")))]
            case _:
                letters[place : place + 2] = letters[place : place + 2][::-1]
    return "".join(letters)


@pytest.mark.parametrize("seed", range(2))
def test_misspelt_words_get_the_same_suggestions(seed):
    rng = np.random.default_rng(seed)
    max_words = 9
    check, _table = graph_of(WORDS, DECIDING, max_words)
    joints = [" ", "'", "\u2019", ", ", " not ", " isn't ", "\x00", "\ufffd", "\u00e9"]
    texts = []
    for _ in range(150):
        chosen = rng.choice(WORDS, int(rng.integers(1, 9)))
        words = [altered(rng, str(word)) for word in chosen]
        texts.append("".join(word + str(rng.choice(joints)) for word in words))
    texts += [
        "feaths undside",
        "feathererxs",
        "x" * 3000,
        "golden" + "n" * 500,
        "red" * 30,
        "'t n't t",
        "n't",
        "not't",
        "s's 's",
    ]
    for text, found, refuses in zip(
        texts, *(part.numpy() for part in check(texts)[:2]), strict=True
    ):
        assert (found.decode(), refuses) == expected(text, WORDS, DECIDING, max_words), text


def test_a_model_without_deciding_words_and_with_few_words():
    for words in (["red"], ["a", "é", "rouge"]):
        check, _table = graph_of(words, [], 4)
        texts = ["a red", "rouges", "x", "", "RED É", "a b c d e f"]
        found = check(texts)
        for index, text in enumerate(texts):
            one = found.messages[index].numpy().decode(), bool(found.refuses[index])
            assert one == expected(text, words, [], 4)
