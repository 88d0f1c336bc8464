"""What processes do that the tests of crashes kill: a training without a network.

It writes what a training writes, by the same functions: log, checkpoints, weights, checksums.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mim_tf import checksums, logs, storage
from mim_tf.models import weights
from mim_tf.places import LOG
from mim_tf.run import Run
from mim_tf.training import checkpoints
from mim_tf.training.means import Means

STEPS = 6


class Training:
    """A training that goes on from the newest checkpoint of a run's directory."""

    def __init__(self, folder: Path) -> None:
        self.run = Run.open(folder)
        storage.remove_partial(folder)
        self.step, self.value = tf.Variable(0), tf.Variable(tf.zeros([2000]))
        self.means = Means()
        self.network = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
        state = tf.train.Checkpoint(step=self.step, value=self.value, means=self.means)
        self.checkpoints = checkpoints.Checkpoints(
            folder / checkpoints.FOLDER, state, 2, self.run.was_trained()
        )
        logs.trim(self.run.path / LOG, int(self.step))
        self.run.seal()
        if int(self.step):
            self.save_weights()

    def save_weights(self) -> None:
        self.network.layers[0].kernel.assign(np.full([3, 2], self.value[0]))
        self.run.save_generator(self.network)

    def go_on(self, last: int = STEPS) -> None:
        """Take the steps that are left: a row every third, a checkpoint every second."""
        while int(self.step) < last:
            self.step.assign_add(1)
            self.value.assign(self.value * 0.5 + tf.cast(self.step, tf.float32))
            step = int(self.step)
            self.means.add(step, {"L": self.value[0]})
            if step % 3 == 0:
                logs.append(self.run.path / LOG, {"step": step, **self.means.take()})
            if step % 2 == 0:
                self.checkpoints.save(step)
                self.save_weights()

    def outcome(self) -> dict:
        """All that it leaves, to be compared."""
        return {
            "step": int(self.step),
            "value": self.value.numpy().tolist(),
            "log": (self.run.path / "log.jsonl").read_text(),
            "weights": self.network.layers[0].kernel.numpy().tolist(),
        }


def train(folder: Path) -> None:
    """Train to the end."""
    training = Training(folder)
    training.go_on()


def train_until(folder: Path, kind: str, count: int) -> None:
    """Train, and be killed before the call number ``count`` of a kind; exit code 0 where there
    are not so many."""
    left = count

    def killing(function: Callable) -> Callable:
        def call(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    training = Training(folder)
    place, name = {
        "fsync": (os, "fsync"),
        "rename": (Path, "replace"),
        "delete": (Path, "unlink"),
        "checkpoint": (training.checkpoints.state, "write"),
        "weights": (Path, "write_bytes"),
        "log": (logs, "append"),
    }[kind]
    setattr(place, name, killing(getattr(place, name)))
    training.go_on()


def save_large_weights(file: Path) -> None:
    """Save weights of a megabyte where there is no room for them; exit code 0 after an error that
    names the file."""
    storage._SPARE = -(10**9)  # as if there had been room before
    network = keras.Sequential([keras.Input([500]), keras.layers.Dense(500)])
    try:
        weights.save_weights(network, file)
    except OSError as error:
        if error.filename == str(file) and storage.is_full(error):
            return
        raise
    raise AssertionError("they were saved")


def check(folder: Path, unbroken: dict) -> None:
    """Nobody is locked out, and from here on all is as if nothing had happened."""
    training = Training(folder)  # raises where a file does not fit
    training.go_on()
    assert training.outcome() == unbroken
    assert checksums.fits(folder, "generator.weights.h5")
    left = [path.name for path in folder.rglob("*")]
    assert not [name for name in left if ".partial" in name or name.endswith("_temp")]
    assert sorted(name for name in left if name.endswith(".index")) == [
        "step-4.index",
        "step-6.index",
    ]
