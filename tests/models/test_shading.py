"""Light and shade apart from colours."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mim_tf.models.shading import detail, luminance, with_detail


@pytest.fixture(scope="module")
def picture():
    return tf.constant(np.random.default_rng(0).uniform(-0.5, 0.5, (2, 32, 32, 3)), tf.float32)


def test_detail_is_the_inputs_and_the_drawn_colours_stay(picture):
    drawn = tf.constant([[[[0.1, -0.3, 0.2]]]]) * tf.ones_like(picture)
    result = with_detail(drawn, picture)
    found, wanted = detail(result).numpy().ravel(), detail(picture).numpy().ravel()
    assert np.corrcoef(found, wanted)[0, 1] > 0.97
    # Only the luminance changes: differences of channels are the drawn picture's.
    assert np.allclose(
        result[..., :1] - result[..., 1:], drawn[..., :1] - drawn[..., 1:], atol=1e-5
    )
    assert abs(float(tf.reduce_mean(luminance(result) - luminance(drawn)))) < 0.01


def test_a_picture_with_its_own_detail_is_itself(picture):
    assert np.allclose(with_detail(picture, picture), picture, atol=1e-6)
