"""DAMSM and the classifier: closed forms, training with resume, clear errors."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from data_writers import write_celeba, write_clothes, write_folder

from mim_tf import pretrain
from mim_tf.checksums import write_sums
from mim_tf.config_files import parse_kind
from mim_tf.data.sources import load_raw
from mim_tf.errors import UserError
from mim_tf.evaluation import tables
from mim_tf.evaluators import folder as evaluators
from mim_tf.evaluators import training as pretraining
from mim_tf.evaluators.config import DamsmConfig, PretrainConfig
from mim_tf.evaluators.damsm import DAMSM, matching_loss, word_similarity
from mim_tf.text import Vocabulary


def test_matching_loss_is_cross_entropy_both_ways():
    similarity = np.array([[1.0, 0.0], [2.0, 3.0]], np.float32)

    def entropy(rows):
        return np.mean([np.log(np.exp(row).sum()) - row[i] for i, row in enumerate(rows)])

    expected = entropy(similarity) + entropy(similarity.T)
    nothing = np.zeros((2, 2), bool)
    assert float(matching_loss(similarity, nothing)) == pytest.approx(expected, abs=1e-6)


def test_pairs_of_one_class_are_no_negatives():
    similarity = np.array([[1.0, 9.0], [9.0, 1.0]], np.float32)
    assert float(matching_loss(similarity, np.ones((2, 2), bool))) == pytest.approx(0, abs=1e-6)


def test_word_similarity_is_AttnGANs_formula():  # noqa: N802
    rng = np.random.default_rng(0)
    words, regions = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))
    mask = np.array([[1, 1, 1], [1, 1, 0]], float)
    found = word_similarity(
        *(tf.constant(one, tf.float32) for one in (words, mask, regions)), gamma_1=4, gamma_2=5
    )

    def softmax(x, axis):
        x = np.exp(x - x.max(axis=axis, keepdims=True))
        return x / x.sum(axis=axis, keepdims=True)

    for picture in range(2):
        for caption in range(2):
            e = words[caption, : int(mask[caption].sum())]  # [T, D]
            attention = softmax(4 * softmax(e @ regions[picture].T, axis=0), axis=1)  # [T, R]
            c = attention @ regions[picture]
            cosine = (e * c).sum(1) / np.linalg.norm(e, axis=1) / np.linalg.norm(c, axis=1)
            expected = np.log(np.exp(5 * cosine).sum())
            assert float(found[picture, caption]) == pytest.approx(expected, abs=1e-4)


def test_codes_do_not_depend_on_padding():
    network = DAMSM(9, DamsmConfig(size=32, dim=8, word_dim=6))
    short = network.text(tf.constant([[3, 4, 5]]))
    padded = network.text(tf.constant([[3, 4, 5, 0, 0], [2, 2, 2, 2, 2]]))
    assert short["sentence"][0].numpy() == pytest.approx(padded["sentence"][0].numpy(), abs=1e-6)


def test_words_the_evaluator_does_not_know_are_left_out():
    vocabulary = Vocabulary(["red", "wings"])
    tokens = evaluators.encode(vocabulary, ["quite red, very wings", "nothing known"], 4)
    assert tokens.tolist() == [[2, 3, 0, 0], [1, 0, 0, 0]]


def test_the_small_classifier_and_DAMSM_learn(tmp_path):  # noqa: N802
    """Far above chance (1/8 and 1/100) after seconds: labels, captions and pictures belong."""
    tree = {
        "data": {"count": 400, "captions": 4},
        "damsm": {"size": 32, "dim": 32, "word_dim": 16, "dropout": 0, "batch_size": 16,
                  "steps": 300, "learning_rate": 3e-3},
        "classifier": {"size": 32, "batch_size": 16, "steps": 60},
    }  # fmt: skip
    path = tmp_path / "evaluators"
    pretraining.start(path, parse_kind(PretrainConfig, tree, "test"))
    scores = pretraining.pretrain(path)
    assert scores["accuracy"] > 0.4
    assert scores["r_precision"] > 0.03
    assert json.loads((path / evaluators.SCORES).read_text()) == scores
    rows = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    losses = [row["L_sentence"] for row in rows if row["evaluator"] == "damsm"]
    assert losses[-1] < losses[0]


def test_resumed_training_equals_unbroken(tiny_evaluators, tmp_path, monkeypatch):
    config = evaluators.read_config(tiny_evaluators)
    path = tmp_path / "evaluators"
    pretraining.start(path, config)
    batch, calls = pretraining._Pictures.batch, []

    def stop_once(self, indices, rng):
        calls.append(1)
        if len(calls) == 3:  # one after the checkpoint of step 2
            raise KeyboardInterrupt
        return batch(self, indices, rng)

    monkeypatch.setattr(pretraining._Pictures, "batch", stop_once)
    with pytest.raises(KeyboardInterrupt):
        pretraining.pretrain(path)
    assert not (path / evaluators.DAMSM_WEIGHTS).exists()
    with pytest.raises(UserError, match="no finished evaluator yet"):
        evaluators.Evaluators.open(path)
    assert pretrain.main(["--run", str(path), "--resume"]) == 0
    assert len(calls) == 3 + 1 + 3  # the step that was left of DAMSM's three, and the classifier's
    whole, resumed = evaluators.Evaluators.open(tiny_evaluators), evaluators.Evaluators.open(path)
    for first, second in zip(
        (*whole.damsm.get_weights(), *whole.classifier.get_weights()),
        (*resumed.damsm.get_weights(), *resumed.classifier.get_weights()),
        strict=True,
    ):
        assert np.allclose(first, second, atol=1e-5)


def test_a_changed_weight_changes_the_fingerprint(tiny_evaluators):
    evaluator = evaluators.Evaluators.open(tiny_evaluators)
    before = evaluator.describe()
    evaluator.damsm.to_code.bias.assign_add(tf.fill([8], 1e-3))
    after = evaluator.describe()
    assert before["damsm"]["sha256"] != after["damsm"]["sha256"]
    assert before["classifier"] == after["classifier"]
    assert evaluators.Evaluators.open(tiny_evaluators).describe() == before


def test_mistakes_are_one_clear_line(tiny_evaluators, tmp_path, capsys):
    def error(*given):
        assert pretrain.main([str(one) for one in given]) == 1
        return capsys.readouterr().err

    assert "--config" in error()
    assert "--resume" in error("--run", tmp_path)
    assert "already holds evaluators" in error(
        "--config", "evaluators/birds.yaml", "--run", tiny_evaluators
    )
    assert "mim_tf.pretrain" in error("--run", tmp_path / "none", "--resume")
    both = ("--run", tiny_evaluators, "--resume", "--config", "evaluators/birds.yaml")
    assert "leave out --config" in error(*both)
    given = ["--config", "evaluators/birds.yaml", "--run", tmp_path / "a"]
    weights = ["classifier.encoder=imagenet", "classifier.size=128", "classifier.weights=w.h5",
               "damsm.steps=0", "data.count=20"]  # fmt: skip
    for one in weights:
        given += ["--set", one]
    assert "fetch inception_v3_weights" in error(*given)
    broken = shutil.copytree(tiny_evaluators, tmp_path / "broken")
    Vocabulary(["one"]).save(broken / evaluators.VOCABULARY)
    with pytest.raises(UserError, match="vocabulary.json was damaged or changed"):
        evaluators.Evaluators.open(broken)
    write_sums(broken, [evaluators.VOCABULARY])
    with pytest.raises(UserError, match="does not fit"):
        evaluators.Evaluators.open(broken)


# Attributes --------------------------------------------------------------------------------------


def attribute_tree(root, **classifier):
    return {
        "data": {"source": "celeba", "root": str(root), "partial": True, "augment": False},
        "damsm": {"steps": 0},
        "classifier": {"attributes": True, "size": 32, "batch_size": 16, "steps": 60, **classifier},
    }


def test_a_classifier_of_attributes_reads_each_by_itself(tmp_path):
    root = write_celeba(tmp_path / "celeba", 100)
    path = tmp_path / "evaluators"
    pretraining.start(path, parse_kind(PretrainConfig, attribute_tree(root), "test"))
    scores = pretraining.pretrain(path)
    assert scores["accuracy"] > 0.75 and scores["balanced_accuracy"] > 0.6
    assert scores["balanced_accuracy_Wearing_Lipstick"] > 0.9
    opened = evaluators.Evaluators.open(path)
    assert opened.attributes == tuple(evaluators.read_classes(path))
    source = load_raw(opened.config.data, "test")
    pictures = np.stack([source.picture(index, 32) for index in range(len(source))])
    found = opened.read_attributes(pictures)
    assert found.shape == (20, len(opened.attributes)) and not np.allclose(found.sum(axis=1), 1)
    lips = found[:, opened.attributes.index("Wearing_Lipstick")] > evaluators.HAS
    truth = [source.attributes(index)["Wearing_Lipstick"] for index in range(len(source))]
    assert np.mean(lips == np.array(truth)) > 0.9
    about = opened.describe()
    assert "attributes (celeba)" in about["classifier"]["name"]
    assert "FID, attributes: classifier small" in tables.evaluator_lines(about)


def test_attributes_that_nobody_said_are_not_learned(tmp_path):
    tree = attribute_tree(tmp_path)
    tree["data"] = {"source": "birds", "count": 8, "captions": 2}
    pretraining.start(tmp_path / "e", parse_kind(PretrainConfig, tree, "test"))
    with pytest.raises(UserError, match="data.source=birds has no attributes"):
        pretraining.pretrain(tmp_path / "e")
    tree["classifier"] = {"attributes": True, "encoder": "imagenet", "size": 299}
    with pytest.raises(UserError, match="ImageNet's classifier knows none"):
        parse_kind(PretrainConfig, tree, "test")


def test_splits_that_share_classes_learn_from_the_training_split(tmp_path):
    root = write_clothes(tmp_path / "clothes", 16)
    tree = {"data": {"source": "folder", "root": str(root), "partial": True}}
    learned, held = pretraining._labelled(parse_kind(PretrainConfig, tree, "test"))
    assert (learned.source.split, held.source.split) == ("train", "test")
    assert len(learned.indices) == 2 and len(held.indices) == 14
    tree["data"]["root"] = str(write_folder(tmp_path / "own"))  # every picture is its own class
    learned, held = pretraining._labelled(parse_kind(PretrainConfig, tree, "test"))
    assert (learned.source.split, held.source.split) == ("test", "test")
