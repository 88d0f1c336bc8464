"""SIGKILL at any moment: what a training has saved is whole, and it goes on as if unbroken."""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path

import crashes
import pytest

from mim_tf.run import Run

pytestmark = pytest.mark.slow
_KILLED = -9
_CALLS = {"checkpoint": (1, 2), "weights": (1, 2), "log": (0, 1)}  # of the three, or two, there are


@pytest.fixture
def folder(random_run, tmp_path) -> Path:
    return Run.create(tmp_path / "run", random_run.config, random_run.vocabulary).path


@pytest.mark.parametrize("kind", ["fsync", "rename", "delete", "checkpoint", "weights", "log"])
def test_killed_inside_each_kind_of_write(processes, folder, unbroken, kind):
    """Before the second call of its kind, and before a later one."""
    whole = folder.parent / "whole"
    shutil.copytree(folder, whole)
    for count in _CALLS.get(kind, (1, 4)):
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        process = processes.Process(target=crashes.train_until, args=(folder, kind, count))
        process.start()
        process.join()
        assert process.exitcode == _KILLED
        crashes.check(folder, unbroken)


def test_killed_at_ten_random_moments(processes, folder, unbroken):
    """Each goes on where the last was killed; one that comes to its end is begun anew, so that ten
    are killed on any machine."""
    whole = folder.parent / "whole"
    shutil.copytree(folder, whole)
    moments = random.Random(13)
    killed = 0
    while killed < 10:
        process = processes.Process(target=crashes.train, args=(folder,))
        process.start()
        time.sleep(moments.uniform(0.02, 0.4))
        process.kill()
        process.join()
        assert process.exitcode in (_KILLED, 0)
        killed += process.exitcode == _KILLED
        Run.open(folder)
        rows = (folder / "log.jsonl").read_text() if (folder / "log.jsonl").exists() else ""
        for line in rows.splitlines()[:-1]:
            json.loads(line)
        if process.exitcode == 0:
            crashes.check(folder, unbroken)
            shutil.rmtree(folder)
            shutil.copytree(whole, folder)
    crashes.check(folder, unbroken)
