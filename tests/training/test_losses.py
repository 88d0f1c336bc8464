"""Each loss against a number computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from mim_tf.training import losses


def close(actual, expected):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-5, atol=1e-6)


def test_l_rec_is_the_mean_square_of_each_sample():
    image = tf.constant([[[[0.0, 0.0], [1.0, -1.0]]], [[[0.5, 0.5], [0.5, 0.5]]]])
    other = tf.constant([[[[1.0, 0.0], [1.0, 1.0]]], [[[0.5, 0.5], [0.5, 0.5]]]])
    close(losses.L_rec(image, other), [(1 + 0 + 0 + 4) / 4, 0.0])
    close(losses.L_rec(image, other, "l1"), [(1 + 0 + 0 + 2) / 4, 0.0])


def test_l_p_compares_the_weighted_mean_of_features():
    v_i = tf.constant([[[[1.0, 2.0], [3.0, 6.0]]]])  # [1, 1, 2, 2]
    alpha = tf.constant([[[[1.0], [3.0]]]])
    # Weighted mean: (1 + 9) / 4 = 2.5 and (2 + 18) / 4 = 5.
    close(losses.L_p(v_i, alpha, tf.constant([[2.0, 7.0]])), [(0.5 + 2.0) / 2])


def test_l_p_of_an_empty_alpha_is_finite():
    loss = losses.L_p(tf.ones([1, 2, 2, 3]), tf.zeros([1, 2, 2, 1]), tf.ones([1, 3]))
    close(loss, [1.0])


def test_reality_losses_are_cross_entropies():
    real, fake = tf.constant([0.0, 2.0]), tf.constant([0.0, -1.0])
    expected = [2 * math.log(2), math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))]
    close(losses.L_D_reality(real, fake), expected)
    close(losses.L_I(tf.constant([0.0, 2.0])), [math.log(2), math.log(1 + math.exp(-2))])
    close(losses.L_m(tf.constant([0.0, 2.0])), [math.log(2), math.log(1 + math.exp(-2))])


def test_hinge_losses():
    close(losses.L_D_reality(tf.constant([0.5]), tf.constant([-3.0]), "hinge"), [0.5])
    close(losses.L_I(tf.constant([0.5]), "hinge"), [-0.5])


def test_text_losses_and_their_negatives():
    log = math.log
    real, fake, false = (tf.constant([log(p)], tf.float32) for p in (0.8, 0.3, 0.4))
    close(losses.L_D_text(real, fake, false, 1.0, 0.0), [-log(0.8) - log(0.7)])
    close(losses.L_D_text(real, fake, false, 0.0, 1.0), [-log(0.8) - log(0.6)])
    close(losses.L_D_text(real, fake, false, 0.5, 2.0), [-log(0.8) - 0.5 * log(0.7) - 2 * log(0.6)])
    close(losses.L_T(fake), [-log(0.3)])


@pytest.mark.parametrize("x", [-1e-4, -0.1, -0.6931, -0.6932, -1.0, -20.0, -80.0])
def test_log1mexp_matches_double_precision(x):
    expected = math.log(-math.expm1(x)) if x > -0.5 else math.log1p(-math.exp(x))
    np.testing.assert_allclose(losses.log1mexp(tf.constant(x)), expected, rtol=2e-4, atol=1e-30)


def test_log1mexp_and_its_gradient_are_finite_at_both_ends():
    x = tf.constant([0.0, -1e-9, -0.6931472, -100.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = losses.log1mexp(x)
    assert np.all(np.isfinite(y)) and np.all(np.isfinite(tape.gradient(y, x)))


def test_l_match_against_a_plain_loop():
    rng = np.random.default_rng(0)
    gates, hard_gates = rng.uniform(0.1, 1, [2, 4, 2, 3]), rng.uniform(0.1, 1, [2, 4, 3])
    v_i, h_hat, hard_h_hat = (rng.normal(size=s) for s in ([2, 2, 2, 5], [2, 3, 5], [2, 3, 5]))
    mask, hard_mask = np.array([[1.0, 1, 0], [1, 1, 1]]), np.array([[1.0, 0, 0], [1, 1, 0]])

    def fit(picture, gate, texture, words):
        total = 0.0
        for k in np.flatnonzero(words):
            weights = gate[:, k] / (gate[:, k].sum() + 0.01)  # a word may speak of no place
            pseudo = weights @ v_i[picture].reshape(4, 5)  # Eq. 15's, of one word
            total += pseudo @ texture[k] * 5 / np.sqrt(5)
        return total / words.sum()

    scores = np.array([[fit(b, gates[b, :, j], h_hat[j], mask[j]) for j in (0, 1)] for b in (0, 1)])
    hard = np.array([fit(b, hard_gates[b], hard_h_hat[b], hard_mask[b]) for b in (0, 1)])
    own = np.diagonal(scores)
    captions = np.log(np.exp(scores).sum(1) + np.exp(hard)) - own
    pictures = np.log(np.exp(scores).sum(0)) - own
    arrays = gates, v_i, h_hat, mask, hard_gates, hard_h_hat, hard_mask
    loss, better = losses.L_match(*(tf.constant(one, tf.float32) for one in arrays))
    np.testing.assert_allclose(loss, captions + pictures, rtol=1e-4)
    np.testing.assert_array_equal(better, own > hard)


def test_scores_that_say_nothing_are_at_chance():
    gates, nothing = tf.ones([3, 4, 3, 2]), tf.zeros([3, 2, 2, 5])
    loss, _ = losses.L_match(
        gates, nothing, tf.ones([3, 2, 5]), tf.ones([3, 2]),
        gates[:, :, 0], tf.ones([3, 2, 5]), tf.ones([3, 2]),
    )  # fmt: skip
    close(loss, [losses.match_at_chance(3)] * 3)


def test_l_level_is_the_mean_square_over_captions_and_words():
    levels = tf.constant([[[1.0, 9.0], [2.0, -3.0]]])  # [1 picture, 2 captions, 2 words]
    mask = tf.constant([[1.0, 0.0], [1.0, 1.0]])
    close(losses.L_level(levels, mask), [(1 + 4 + 9) / 3])
