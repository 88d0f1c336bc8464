"""The memory's start: Eq. 2 and 3 read the warm-up's textures back."""

import warnings

import numpy as np
import pytest

from mim_tf.training.memory_start import memorise

pytestmark = pytest.mark.usefixtures("whole_memory_start")

WORDS, SLOTS = 300, 8


def read(h: np.ndarray, memory: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Eq. 2 and 3 in NumPy."""
    logits = h @ (memory @ kernel).T
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True) @ memory


def few_kinds(rng: np.random.Generator, kinds: int) -> tuple[np.ndarray, np.ndarray]:
    """Words of a few kinds, each kind with one texture."""
    of = rng.integers(kinds, size=WORDS)
    h = rng.normal(size=(kinds, 12))[of] + rng.normal(0, 0.05, (WORDS, 12))
    return h.astype(np.float32), rng.normal(size=(kinds, 6)).astype(np.float32)[of]


def test_textures_are_read_back_by_equations_2_and_3():
    h, textures = few_kinds(np.random.default_rng(0), SLOTS)
    memory, kernel, missed = memorise(h, textures, SLOTS, seed=0)
    assert memory.shape == (SLOTS, 6) and kernel.shape == (6, 12)
    error = np.mean((read(h, memory, kernel) - textures) ** 2)
    np.testing.assert_allclose(missed, error / textures.var(axis=0).mean(), atol=1e-5)
    assert missed < 0.1
    # One slot alone can give nothing but one texture, whatever the word.
    _, _, of_one = memorise(h, textures, 1, seed=0)
    np.testing.assert_allclose(of_one, 1, atol=0.05)


def test_fewer_textures_than_slots_are_no_trouble():
    h, textures = few_kinds(np.random.default_rng(1), 1)
    with warnings.catch_warnings(action="error"):
        memory, kernel, _ = memorise(h, textures, SLOTS, seed=0)
    np.testing.assert_allclose(read(h, memory, kernel), textures, atol=1e-3)
