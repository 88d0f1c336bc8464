"""A step whose loss is not finite, kept for inspection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mim_tf.storage import replacing_folder

FOLDER = "not-finite"


def keep(
    run: Path,
    step: int,
    batch: Mapping[str, tf.Tensor],
    state: tf.train.Checkpoint,
    strategy: tf.distribute.Strategy,
) -> Path:
    """Write the batch and the state of a step that failed.

    Args:
        run: the run's directory.
        step: its number.
        batch: its inputs; each may be shared out among devices.
        state: as the step has left it: an update that is not finite moves nothing, but others of
            the same step may have.
        strategy: that shared the batch out.

    Returns:
        The folder: ``batch.npz`` for NumPy, and ``state``, for ``tf.train.Checkpoint.read``.

    Raises:
        OSError, tf.errors.OpError: it cannot be written.
    """
    folder = run / FOLDER / f"step-{step}"
    with replacing_folder(folder) as partial:
        arrays: dict[str, Any] = {
            name: np.concatenate([part.numpy() for part in strategy.experimental_local_results(x)])
            for name, x in batch.items()
        }
        np.savez(partial / "batch.npz", **arrays)
        state.write(str(partial / "state"))
    return folder
