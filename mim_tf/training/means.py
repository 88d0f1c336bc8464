"""The means of the losses, which a row of the log states."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import tensorflow as tf


class Means(tf.train.experimental.PythonState):
    """The losses of the steps since the last row of the log.

    Part of a checkpoint, so that a row which straddles a resume is that of an unbroken run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, list[float]] = {}

    def add(self, losses: Mapping[str, tf.Tensor]) -> None:
        """Add the losses of a step, scalars; adversarial ones are absent from some steps."""
        for name, value in losses.items():
            self._values.setdefault(name, []).append(float(value))

    def take(self) -> dict[str, float]:
        """The mean of each loss over the steps that had it; after this no step is held."""
        means = {name: float(np.mean(values)) for name, values in self._values.items()}
        self._values = {}
        return means

    def serialize(self) -> str:
        return json.dumps(self._values)

    def deserialize(self, string_value: str) -> None:
        self._values = json.loads(string_value)
