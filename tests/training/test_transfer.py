"""A training that starts from another's generator."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import tiny_config

from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.run import Run
from mim_tf.text import Vocabulary
from mim_tf.training.loop import train
from mim_tf.training.start import start_run
from mim_tf.training.state import TrainingState
from mim_tf.training.transfer import start_from


def test_it_starts_with_their_weights_at_another_size(tiny_run):
    run = Run.open(tiny_run)
    config = tiny_config(model={"coarse_size": 32, "fine_size": 64})
    state = TrainingState(config, len(run.vocabulary))
    start_from(state, run.vocabulary, str(tiny_run))
    theirs = run.load_generator().get_weights()
    for mine in (state.generator.get_weights(), state.averaged.get_weights()):
        assert len(mine) == len(theirs)
        assert all(np.array_equal(ours, other) for ours, other in zip(mine, theirs, strict=True))


def test_words_keep_their_embeddings_wherever_they_stand(tiny_run, capsys):
    run = Run.open(tiny_run)
    known = run.vocabulary.words
    vocabulary = Vocabulary(["teal", *known[:0:-1]])  # one new, one left out, another order
    state = TrainingState(tiny_config(), len(vocabulary))
    embeddings = state.generator.text_encoder.embedding.embeddings
    at_random = np.array(embeddings)
    start_from(state, vocabulary, str(tiny_run))
    found, theirs = np.array(embeddings), np.array(
        run.load_generator().text_encoder.embedding.embeddings
    )  # fmt: skip
    for word in known[1:]:
        assert np.array_equal(found[vocabulary.id(word)], theirs[run.vocabulary.id(word)])
    assert np.array_equal(found[:2], theirs[:2])
    assert np.array_equal(found[vocabulary.id("teal")], at_random[vocabulary.id("teal")])
    assert f"knows {len(known) - 1} of {len(known)} words" in capsys.readouterr().err


def test_other_networks_are_refused_by_name(tiny_run):
    run = Run.open(tiny_run)
    for model, told in (({"channels": 12}, "has the shape"), ({"fine": False}, "weights")):
        state = TrainingState(tiny_config(model=model), len(run.vocabulary))
        with pytest.raises(UserError, match=f"train.start_from: .*{told}"):
            start_from(state, run.vocabulary, str(tiny_run))


@pytest.mark.parametrize(
    ("section", "switch", "told"),
    [
        ("deviations", {"tlu_affine": False}, "deviations.tlu_affine is True in .*, False here"),
        ("deviations", {"fuse": True}, "deviations.fuse is False in"),
        ("model", {"boundary": "canny"}, "model.boundary is sobel in .*, canny here"),
    ],
)
def test_networks_that_compute_something_else_are_refused(tiny_run, section, switch, told):
    run = Run.open(tiny_run)
    state = TrainingState(tiny_config(**{section: switch}), len(run.vocabulary))
    with pytest.raises(UserError, match=f"train.start_from: {told}"):
        start_from(state, run.vocabulary, str(tiny_run))


def test_a_run_reads_it_once(tiny_run, tmp_path, capsys):
    config = tiny_config(train={"start_from": str(tiny_run)}, deviations={"warm_up": 0})
    source = load_source(config, "train")
    run = start_run(tmp_path / "run", config, source)
    train(run, source)
    assert capsys.readouterr().err.count("starts from") == 1
    trained = run.load_generator().get_weights()
    train(Run.open(run.path), source)  # all steps are done
    assert "starts from" not in capsys.readouterr().err
    assert all(
        np.array_equal(before, after)
        for before, after in zip(trained, run.load_generator().get_weights(), strict=True)
    )


def test_a_model_that_is_not_there_is_named(tmp_path):
    config = tiny_config(train={"start_from": str(tmp_path / "none")})
    source = load_source(config, "train")
    with pytest.raises(UserError, match="none"):
        train(start_run(tmp_path / "run", config, source), source)
