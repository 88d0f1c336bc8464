"""The means of the losses, which a row of the log states."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf


class NotFiniteError(Exception):
    """A loss or a gradient of a step is not finite.

    Attributes:
        name: which.
        step: whose, counted from 1.
    """

    def __init__(self, name: str, step: int) -> None:
        super().__init__(f"{name} is not finite at step {step}")
        self.name, self.step = name, step


class Means(tf.train.experimental.PythonState):
    """The losses of the steps since the last row of the log.

    They stay on the device until somebody asks, so that no step waits for the one before it. Part
    of a checkpoint, so that a row which straddles a resume is that of an unbroken run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, list[float]] = {}
        self._on_device: list[tuple[int, Mapping[str, tf.Tensor]]] = []

    def add(self, step: int, losses: Mapping[str, tf.Tensor]) -> None:
        """Add the losses of a step, scalars; adversarial ones are absent from some steps."""
        self._on_device.append((step, losses))

    def fetch(self) -> None:
        """Wait for the steps that were added, and take their losses from the device.

        Raises:
            NotFiniteError: the first that is not finite; only the steps before it are held then.
        """
        waiting, self._on_device = self._on_device, []
        if not waiting:
            return
        # One array, for the way from the device costs as much for a number as for thousands.
        stacked = tf.stack([value for _, losses in waiting for value in losses.values()])
        values = iter(stacked.numpy().tolist())
        for step, losses in waiting:
            found = {name: next(values) for name in losses}
            for name, value in found.items():
                if not math.isfinite(value):
                    raise NotFiniteError(name, step)
            for name, value in found.items():
                self._values.setdefault(name, []).append(value)

    def take(self) -> dict[str, float]:
        """The mean of each loss over the steps that had it; after this no step is held. Raises as
        :meth:`fetch`."""
        self.fetch()
        means = {name: float(np.mean(values)) for name, values in self._values.items()}
        self._values = {}
        return means

    def serialize(self) -> str:
        self.fetch()
        return json.dumps(self._values)

    def deserialize(self, string_value: str) -> None:
        self._values = json.loads(string_value)
