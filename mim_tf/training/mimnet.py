"""MIMNet: the model of Sec. 3 with its training step, as Keras knows it.

The state lies below the stages of Sec. 3.5, which change it; this class lies above them. So the
stages need not know it, and imports go one way.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from mim_tf.config import Config
from mim_tf.text import WordVectors
from mim_tf.training import encoding, stages, warm_up
from mim_tf.training.state import TrainingState


class MIMNet(keras.Model):
    """The generator and its discriminators in training.

    Args:
        As :class:`TrainingState`, which it keeps as ``state``.
    """

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        replicas: int = 1,
        vectors: WordVectors | None = None,
    ) -> None:
        super().__init__()
        self.state = TrainingState(config, vocabulary_size, replicas, vectors)

    def call(self, inputs, training=False):
        """The averaged generator's edit; see :meth:`Generator.call`."""
        return self.state.averaged(inputs, training=False)

    def train_step(self, batch, *, discriminate: bool = True, adversary: bool = True):
        """Both stages of Sec. 3.5 on a batch, as :mod:`mim_tf.training.stages` describes it.

        Args:
            discriminate: the discriminators learn.
            adversary: the generator learns from them (L_I, L_T, L_m).

        Returns:
            The losses under the paper's names, scalars of this replica.
        """
        batch = encoding.with_features(self.state, self._static(batch))
        logs = stages.reconstruction_step(self.state, batch, random_memory=adversary)
        if discriminate:
            logs |= stages.adversarial_step(self.state, batch, update_generator=adversary)
        return logs

    def warm_up_step(self, batch):
        """The warm-up on a batch; returns as :meth:`train_step`."""
        return warm_up.warm_up_step(
            self.state, encoding.with_features(self.state, self._static(batch))
        )

    def _static(self, batch):
        """A batch whose size, this replica's share, is known to the graph."""
        size = self.state.config.train.batch_size // self.state.replicas
        return {name: tf.ensure_shape(x, [size, *x.shape[1:]]) for name, x in batch.items()}
