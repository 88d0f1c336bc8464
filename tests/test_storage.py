"""Files of our own appear whole or not at all, and leave nothing beside them."""

from __future__ import annotations

import errno
from pathlib import Path

import keras
import numpy as np
import pytest

from mim_tf.models.weights import load_weights, save_weights
from mim_tf.storage import replace_text, replacing_file, replacing_folder


def test_what_fails_leaves_the_old_file_alone(tmp_path):
    text, other = tmp_path / "a.json", tmp_path / "a.weights.h5"
    replace_text(text, "old")
    other.write_bytes(b"old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(text, "new \udc80")  # no UTF-8
    with pytest.raises(OSError, match="full") as caught, replacing_file(other) as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "the disk is full")
    assert caught.value.filename == str(other)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a.json": "old", "a.weights.h5": "old"
    }  # fmt: skip


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder: path -> text."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    place = tmp_path / "new" / "folder"
    with replacing_folder(place) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "a").write_text("1")
        assert not place.exists()
    assert contents(tmp_path) == {"new/folder/inner/a": "1"}
    with pytest.raises(OSError, match="full"), replacing_folder(place) as partial:
        (partial / "b").write_text("half")
        raise OSError("the disk is full")
    assert contents(tmp_path) == {"new/folder/inner/a": "1"}
    with replacing_folder(place) as partial:
        (partial / "b").write_text("2")
    assert contents(tmp_path) == {"new/folder/b": "2"}


def test_a_folder_that_cannot_be_moved_leaves_the_earlier_one(tmp_path, monkeypatch):
    place = tmp_path / "folder"
    with replacing_folder(place) as partial:
        (partial / "a").write_text("old")
    move, moved = Path.rename, []

    def fail_once(path, target):
        moved.append(path)
        if len(moved) == 2:
            raise OSError("the share went away")
        return move(path, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(OSError, match="went away"), replacing_folder(place) as partial:
        (partial / "a").write_text("new")
    assert contents(tmp_path) == {"folder/a": "old"}


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with replacing_folder(tmp_path / "link") as partial:
        (partial / "a").write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "a").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_folder_that_another_process_made_first(tmp_path):
    place = tmp_path / "folder"

    def fill(existing):
        with replacing_folder(place, existing=existing) as partial:
            (partial / "a").write_text("ours")
            if not place.exists():
                place.mkdir()
                (place / "a").write_text("theirs")

    fill("keep")
    assert contents(tmp_path) == {"folder/a": "theirs"}
    with pytest.raises(FileExistsError):
        fill("refuse")
    assert contents(tmp_path) == {"folder/a": "theirs"}
    fill("replace")
    assert contents(tmp_path) == {"folder/a": "ours"}


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


def test_rounded_weights_take_less_room(tmp_path):
    network = keras.Sequential([keras.Input((256,)), keras.layers.Dense(256)])
    for name, rounded in (("whole", False), ("rounded", True)):
        save_weights(network, tmp_path / f"{name}.weights.h5", rounded=rounded)
    whole, rounded = (
        (tmp_path / f"{name}.weights.h5").stat().st_size for name in ("whole", "rounded")
    )
    assert rounded < 0.75 * whole
    load_weights(network, tmp_path / "rounded.weights.h5")
