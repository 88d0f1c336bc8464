"""D_I and D_T against Eq. 12 and 13."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from mim_tf.config import ModelConfig
from mim_tf.models.discriminators import D_I, D_T

MODEL = ModelConfig(discriminator_channels=4, word_dim=5, text_dim=6)


def make():
    keras.utils.set_random_seed(0)
    return D_T(MODEL, 16, 9)


def test_d_i_is_one_logit_a_picture():
    assert D_I(MODEL, 16)(tf.zeros([3, 16, 16, 3])).shape == (3,)


def test_eq_13_is_the_weighted_product_of_verdicts():
    d_t = make()
    picture, tokens = tf.random.normal([2, 16, 16, 3]), tf.constant([[2, 3, 4], [5, 6, 0]])
    log = d_t({"picture": picture, "tokens": tokens})
    h, f = d_t.text_encoder(tokens).numpy(), d_t.f(picture).numpy()
    for sample, words in ((0, 3), (1, 2)):
        hidden = h[sample, :words]
        weights = np.exp(hidden @ hidden.mean(axis=0))
        weights /= weights.sum()
        scores = np.array(d_t.w(hidden)) @ f[sample] + np.array(d_t.b(hidden))[:, 0]
        product = np.prod((1 / (1 + np.exp(-scores))) ** weights)
        np.testing.assert_allclose(np.exp(log[sample]), product, rtol=1e-4)


def test_padding_changes_no_verdict():
    d_t = make()
    picture = tf.random.normal([1, 16, 16, 3])
    short = d_t({"picture": picture, "tokens": tf.constant([[2, 3, 4]])})
    padded = d_t({"picture": picture, "tokens": tf.constant([[2, 3, 4, 0, 0]])})
    np.testing.assert_allclose(short, padded, atol=1e-6)
