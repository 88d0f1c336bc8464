"""The collector of losses: what is logged, and the weighted sum of Eq. 20 and 21."""

from __future__ import annotations

import pytest
import tensorflow as tf

from mim_tf.config import StageWeights
from mim_tf.training.means import Means, NotFiniteError
from mim_tf.training.updates import Losses


def test_the_total_is_the_weighted_sum_of_means_and_the_log_has_no_weights():
    losses = Losses()
    losses.add("L_rec_fine", tf.constant([1.0, 3.0]), 10.0)
    losses.add("L_p", tf.constant([0.5, 0.5]), tf.constant(2.0))
    losses.log("match_accuracy", tf.constant([0.0, 1.0]))
    assert float(losses.total(replicas=1)) == 10 * 2 + 2 * 0.5
    assert float(losses.total(replicas=2)) == (10 * 2 + 2 * 0.5) / 2
    means = {name: float(value) for name, value in losses.means().items()}
    assert means == {"L_rec_fine": 2.0, "L_p": 0.5, "match_accuracy": 0.5}


def test_the_first_loss_that_is_not_finite_is_named_when_losses_are_fetched():
    means, nan = Means(), tf.constant(float("nan"))
    means.add(7, {"L_p": tf.constant(1.0)})
    means.add(8, {"L_p": tf.constant(3.0), "L_rec_fine": nan})
    means.add(9, {"L_p": nan})
    with pytest.raises(NotFiniteError, match="L_rec_fine is not finite at step 8"):
        means.fetch()
    assert means.take() == {"L_p": 1.0}


def test_means_are_those_of_the_steps_that_had_a_loss():
    means = Means()
    means.add(1, {"L_p": tf.constant(1.0), "L_D_fine": tf.constant(5.0)})
    stored = means.serialize()
    resumed = Means()
    resumed.deserialize(stored)
    for each in (means, resumed):
        each.add(2, {"L_p": tf.constant(3.0)})
        assert each.take() == {"L_p": 2.0, "L_D_fine": 5.0} and each.take() == {}


def test_weights_are_taken_by_the_stage():
    weights = StageWeights(coarse=2.0, fine=3.0)
    assert (weights["coarse"], weights["fine"]) == (2.0, 3.0)
    with pytest.raises(KeyError):
        weights["other"]
