"""Files of our own appear whole or not at all, and leave nothing beside them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from mim_tf.storage import load_weights, replace_text, save_weights


class Network:
    """Its disk is full after the first bytes."""

    def save_weights(self, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("the disk is full")


def test_what_fails_leaves_the_old_file_alone(tmp_path):
    text, weights = tmp_path / "a.json", tmp_path / "a.weights.h5"
    replace_text(text, "old")
    weights.write_bytes(b"old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(text, "new \udc80")  # no UTF-8
    with pytest.raises(OSError, match="full"):
        save_weights(Network(), weights)  # type: ignore[arg-type]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a.json": "old", "a.weights.h5": "old"
    }  # fmt: skip


def test_rounded_weights_are_those_of_half_precision(tmp_path):
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(3, 4)).astype(np.float32), np.full([4], 1e6, np.float32)]
    networks = [keras.Sequential([keras.Input([3]), keras.layers.Dense(4)]) for _ in range(2)]
    networks[0].set_weights(given)
    file = tmp_path / "a.weights.h5"
    save_weights(networks[0], file, rounded=True)
    load_weights(networks[1], file)
    kernel, bias = networks[1].get_weights()
    np.testing.assert_array_equal(kernel, given[0].astype(np.float16))
    np.testing.assert_array_equal(bias, given[1])  # for which half precision is too narrow
