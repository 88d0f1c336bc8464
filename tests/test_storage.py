"""Files of our own appear whole or not at all, and leave nothing beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mim_tf.storage import replace_text, save_weights


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
