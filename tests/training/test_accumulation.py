"""Accumulation: a batch taken in parts gives the update of the whole batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from test_mimnet import batch, make
from tiny import tiny_config
from two_workers import gentle_adam

from mim_tf.errors import UserError
from mim_tf.training import stages, warm_up
from mim_tf.training.state import TrainingState
from mim_tf.training.strategies import check_batch


@pytest.fixture(scope="module")
def whole_and_parts():
    """Losses and state after a step of each kind, of a batch taken whole, and of one in parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "_adam", gentle_adam)
        return [after_each_kind(accumulate) for accumulate in (1, 2)]


def after_each_kind(accumulate: int):
    state = make(train={"accumulate": accumulate}, deviations={"perturb": 0.75, "fuse": True})
    step = tf.function(lambda take, data: take(state, data), autograph=False)
    logs = {
        take.__name__: step(take, batch(seed=seed))
        for seed, take in enumerate(
            (warm_up.warm_up_step, stages.reconstruction_step, stages.adversarial_step)
        )
    }
    return logs, state


@pytest.mark.parametrize("kind", ["warm_up_step", "reconstruction_step", "adversarial_step"])
def test_its_losses_are_those_of_the_whole_batch(whole_and_parts, kind):
    expected, found = (logs[kind] for logs, _ in whole_and_parts)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_its_updates_are_those_of_the_whole_batch(whole_and_parts):
    expected, found = (state.parts() for _, state in whole_and_parts)
    for name in ("generator", "generator_optimizer", "discriminator_optimizer", "d_t_fine"):
        for value, other in zip(expected[name], found[name], strict=True):
            np.testing.assert_allclose(other, value, rtol=1e-5, atol=1e-5, err_msg=value.name)
    assert any(np.any(np.array(value)) for value in expected["generator_optimizer"])


def test_parts_that_are_not_alike_are_refused():
    config = tiny_config(train={"accumulate": 3})
    with pytest.raises(UserError, match="4 pictures on each device cannot be train.accumulate=3"):
        check_batch(config, tf.distribute.get_strategy())
