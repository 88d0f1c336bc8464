"""The collector of losses: what is logged, and the weighted sum of Eq. 20 and 21."""

from __future__ import annotations

import pytest
import tensorflow as tf

from mim_tf.config import StageWeights
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


def test_a_loss_that_is_not_finite_is_named():
    losses = Losses()
    losses.add("L_p", tf.constant([1.0]), 1.0)
    losses.add("L_rec_fine", tf.constant([float("nan")]), 1.0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="L_rec_fine : Tensor had NaN"):
        losses.total(replicas=1)


def test_weights_are_taken_by_the_stage():
    weights = StageWeights(coarse=2.0, fine=3.0)
    assert (weights["coarse"], weights["fine"]) == (2.0, 3.0)
    with pytest.raises(KeyError):
        weights["other"]
