"""The training loop of an evaluator: steps, checkpoints, log."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mim_tf.errors import UserError
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.places import LOG
from mim_tf.training.checkpoints import FOLDER, Checkpoints
from mim_tf.training.interruption import Interruption

_LOG_EVERY = 50  # steps


@dataclass(frozen=True)
class Recipe:
    """What is trained, and how.

    Attributes:
        name: of the checkpoints, in the log, and of the section of the configuration.
        network: whose trainable variables learn.
        loss: arrays of a batch -> dictionary of scalar losses, which are added.
        batch: random generator -> arrays of a batch.
        steps: of the whole training.
        learning_rate: at its start; it falls to 0 along a cosine.
    """

    name: str
    network: keras.Model
    loss: Callable
    batch: Callable
    steps: int
    learning_rate: float


def fit(recipe: Recipe, path: Path, config: PretrainConfig) -> None:
    """Train from the newest checkpoint, or from the start, to the end.

    SIGINT, SIGTERM and SIGHUP let it end its step and save a checkpoint first.

    Args:
        recipe: what is trained.
        path: the directory of evaluators, for ``checkpoints/`` and ``log.jsonl``.
        config: of the evaluators; its seed and ``machine.checkpoint_every`` are used here.

    Raises:
        InterruptedBySignal: one of these signals came.
        UserError: a loss that is not finite, a checkpoint of another configuration, checkpoints of
            which none is whole, a full disk.
    """
    rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, max(recipe.steps, 1))
    optimizer = keras.optimizers.Adam(rate, beta_1=0.5, clipnorm=1.0)
    optimizer.build(recipe.network.trainable_variables)
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    checkpoints = _checkpoints(recipe, optimizer, step, path)
    first = int(step.numpy())
    if first >= recipe.steps:
        return
    update = _update_function(recipe, optimizer, step)
    bar = tqdm(
        total=recipe.steps, initial=first, desc=recipe.name, dynamic_ncols=True, file=sys.stderr
    )
    with Interruption() as interruption, bar:
        for done in range(first + 1, recipe.steps + 1):
            rng = np.random.default_rng([config.seed, done - 1])
            losses = {key: float(loss) for key, loss in update(*recipe.batch(rng)).items()}
            if not np.isfinite(sum(losses.values())):
                raise UserError(
                    f"{recipe.name}: a loss is not finite at step {done}; lower "
                    f"{recipe.name}.learning_rate and start again"
                )
            bar.update()
            last = done == recipe.steps
            if done % _LOG_EVERY == 0 or last:
                bar.set_postfix({key: f"{loss:.3f}" for key, loss in losses.items()})
                _log(path, {"evaluator": recipe.name, "step": done, **losses})
            stops = last or interruption.signal is not None
            if done % config.machine.checkpoint_every == 0 or stops:
                checkpoints.save(done)
            if stops:
                break
    interruption.raise_if_signalled()


def _checkpoints(
    recipe: Recipe, optimizer: keras.Optimizer, step: tf.Variable, path: Path
) -> Checkpoints:
    """The checkpoints of a recipe; the newest, if there is one, is restored."""
    # Variables are given in plain lists, because TensorFlow's own search of a Keras object misses
    # the variables that it keeps in lists.
    checkpoint = tf.train.Checkpoint(
        step=step,
        network=[variable.value for variable in recipe.network.variables],
        optimizer=[variable.value for variable in optimizer.variables],
    )
    trained = (path / f"{recipe.name}.weights.h5").exists()
    return Checkpoints(path / FOLDER / recipe.name, checkpoint, keep=1, trained=trained)


def _update_function(recipe: Recipe, optimizer: keras.Optimizer, step: tf.Variable) -> Callable:
    """The training step: arrays of a batch -> dictionary of losses."""
    variables = recipe.network.trainable_variables

    @tf.function(reduce_retracing=True)
    def update(*arrays):
        with tf.GradientTape() as tape:
            losses = recipe.loss(*arrays)
            total = tf.add_n(list(losses.values()))
        gradients = tape.gradient(total, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        step.assign_add(1)
        return losses

    return update


def _log(path: Path, row: dict[str, object]) -> None:
    """Append a JSON line to ``log.jsonl``."""
    with (path / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
