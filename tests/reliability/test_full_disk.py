"""A disk that is really full: one line, the last checkpoint whole, and on it goes."""

from __future__ import annotations

import os
import shutil
import subprocess

import crashes
import pytest

from mim_tf import storage
from mim_tf.errors import UserError
from mim_tf.run import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let the tests mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk, left: int) -> None:
    """Take all of the disk but some bytes."""
    free = shutil.disk_usage(disk).free
    with (disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - left)


@pytest.mark.parametrize("looks", [True, False], ids=["before a save", "within a save"])
@pytest.mark.parametrize("steps", [2, 3])
def test_a_full_disk_loses_nothing(small_disk, random_run, unbroken, monkeypatch, looks, steps):
    """Full after a checkpoint, and after a row of the log."""
    folder = Run.create(small_disk / "run", random_run.config, random_run.vocabulary).path
    training = crashes.Training(folder)
    training.go_on(steps)
    if not looks:  # as if others had filled it between the look and the write
        monkeypatch.setattr(storage, "_SPARE", -(10**9))
    fill(small_disk, 4096)
    with pytest.raises(UserError, match="make room") as caught:
        training.go_on()
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)
    assert not list(folder.rglob(".partial*")) and not list(folder.rglob("*_temp"))
    (small_disk / "filler").unlink()
    crashes.check(folder, unbroken)


def test_weights_for_which_the_room_goes_while_they_are_written(small_disk, processes, monkeypatch):
    """HDF5 itself would crash the process."""
    file = small_disk / "a.weights.h5"
    fill(small_disk, 300_000)
    process = processes.Process(target=crashes.save_large_weights, args=(file,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
