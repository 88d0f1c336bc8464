"""What the user is told of a training that fails, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from mim_tf.config import Config
from mim_tf.errors import UserError
from mim_tf.storage import is_full
from mim_tf.training import inspection
from mim_tf.training.means import NotFiniteError
from mim_tf.training.strategies import out_of_memory


def not_finite(
    error: NotFiniteError,
    run: Path,
    batch: Mapping[str, tf.Tensor],
    state: tf.train.Checkpoint,
    strategy: tf.distribute.Strategy,
) -> UserError:
    """A step was not finite; its batch and state are kept, see :func:`inspection.keep`."""
    try:
        kept = inspection.keep(run, error.step, batch, state, strategy)
        where = f"its batch and state are in {kept}"
    except (OSError, tf.errors.OpError) as failed:
        where = f"its batch could not be kept ({str(failed).splitlines()[0]})"
    return UserError(
        f"{error}; {where}. Train anew with a lower optimizer.learning_rate or weight of that "
        "loss; the newest checkpoint is as it was"
    )


def told(
    error: Exception, run: Path, config: Config, strategy: tf.distribute.Strategy
) -> Exception:
    """One line, if a disk is full or a device's memory; else the error itself."""
    if is_full(error):
        return UserError(
            f"{run}: the disk is full; make room and go on with --resume, from the newest "
            "checkpoint"
        )
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return out_of_memory(config, strategy)
    return error
