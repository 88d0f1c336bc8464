"""The state of training: networks, optimizers, the averaged generator, the step.

Dimensions: T words (padded), S a stage's size.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf

from mim_tf.config import Config
from mim_tf.models.discriminators import D_I, D_T
from mim_tf.models.generator import make_generator
from mim_tf.text import WordVectors
from mim_tf.training.loss_scale import LossScale
from mim_tf.training.losses import match_at_chance
from mim_tf.training.optimizer import Adam
from mim_tf.training.schedule import Schedule
from mim_tf.training.updates import update

_RECENT = 0.98  # decay of the running mean of L_match: about the last 50 steps


class TrainingState:
    """Everything that training changes.

    Args:
        config: the run's.
        vocabulary_size: number of token ids.
        replicas: how many copies share the global batch.
        vectors: pretrained word embeddings, if there are any.

    Attributes:
        generator, averaged: the generator that learns, and the average of its weights.
        stages: ``("coarse", "fine")``, or the first alone: the i of Eq. 20 and 21.
        sizes: S of each stage.
        d_i, d_t: the discriminators of each stage.
        texture_projection: the warm-up's ``h^ = W h``, while there is no memory to read.
        step: steps done.
        sound: false once a step was not finite; then no step changes anything. Not checkpointed.
        loss_scale: in float16; else None.
        match_at_chance: L_match of a batch about which nothing is known.
        match_mean: running mean of L_match, by which the warm-up ends.
        warm_up_end: the steps that the warm-up took; -1 while it goes on.
    """

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        replicas: int = 1,
        vectors: WordVectors | None = None,
    ) -> None:
        self.config, self.replicas = config, replicas
        self.vocabulary_size, self.vectors = vocabulary_size, vectors
        model = config.model
        self.generator = make_generator(config, vocabulary_size, vectors, config.train.precision)
        self.averaged = make_generator(config, vocabulary_size)
        self.averaged.set_weights(self.generator.get_weights())
        self.averaged.trainable = False
        self.stages = ("coarse", "fine") if model.fine else ("coarse",)
        sizes = {"coarse": model.coarse_size, "fine": model.fine_size}
        self.sizes = {stage: sizes[stage] for stage in self.stages}
        precision = config.train.precision
        self.d_i = {stage: D_I(model, size, precision) for stage, size in self.sizes.items()}
        self.d_t = {
            stage: D_T(model, size, vocabulary_size, vectors, precision)
            for stage, size in self.sizes.items()
        }
        self._build_discriminators()
        # Both optimizers are built now, so that a checkpoint is complete from step 0.
        options = config.optimizer
        self.generator_optimizer = self._adam(options.learning_rate)
        self.discriminator_optimizer = self._adam(options.discriminator_learning_rate)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator_variables)
        # The warm-up's own: textures without a memory, and an optimizer of its few networks.
        self.texture_projection = keras.layers.Dense(self.generator.enc.channels)
        self.texture_projection.build((None, None, model.text_dim))
        self.warm_up_optimizer = self._adam(options.warm_up_learning_rate)
        self.warm_up_optimizer.build(self.warm_up_variables)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.loss_scale = LossScale() if precision == "mixed_float16" else None
        self.sound = tf.Variable(True, trainable=False, name="sound")
        self.match_at_chance = match_at_chance(config.train.batch_size)
        self.match_mean = tf.Variable(self.match_at_chance, trainable=False, name="match_mean")
        self.warm_up_end = tf.Variable(
            -1 if config.deviations.warm_up else 0,
            dtype=tf.int64, trainable=False, name="warm_up_end",
        )  # fmt: skip

    def _build_discriminators(self) -> None:
        """Call each once, which creates its weights."""
        tokens = tf.ones([1, self.config.data.max_words], tf.int32)
        for stage, size in self.sizes.items():
            picture = tf.zeros([1, size, size, 3])
            self.d_i[stage](picture)
            self.d_t[stage]({"picture": picture, "tokens": tokens})

    def _adam(self, learning_rate: float) -> Adam:
        options = self.config.optimizer
        return Adam(learning_rate, options.beta_1, options.beta_2)

    # Which variables a stage moves.

    @property
    def discriminator_variables(self) -> list:
        networks: list[keras.Model] = [*self.d_i.values(), *self.d_t.values()]
        return [variable for network in networks for variable in network.trainable_variables]

    @property
    def warm_up_variables(self) -> list:
        """What L_match reaches before there is a memory."""
        generator = self.generator
        networks = [generator.enc, generator.text_encoder, self.texture_projection]
        if generator.icm.gate is not None:
            networks.append(generator.icm.gate)
        return [variable for network in networks for variable in network.trainable_variables]

    @property
    def adversarial_variables(self) -> list:
        """What the adversarial stage may move: the generator without its memory (Sec. 3.5.3)."""
        memory = self.generator.mtfg.memory
        return [
            variable for variable in self.generator.trainable_variables if variable is not memory
        ]

    # Updates.

    @property
    def scale(self):
        """By what gradients of a loss are multiplied, until :meth:`update` divides them by it."""
        return tf.ones([]) if self.loss_scale is None else tf.identity(self.loss_scale.factor)

    def update(self, optimizer, gradients, variables, total):
        """One step of an optimizer by this replica's gradients of :attr:`scale` times ``total``;
        see :func:`mim_tf.training.updates.update`."""
        return update(
            optimizer, gradients, variables, total, self.sound, scale=self.scale,
            clip_norm=self.config.deviations.clip_norm, replicas=self.replicas,
        )  # fmt: skip

    def after_step(self, losses: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        """Count the step, average the generator (EMA) and L_match; outside the replicas.

        If one of its losses or gradients is not finite, neither this step nor any that is already
        on its way to the device changes anything more.

        Args:
            losses: of the step, means over the global batch, with the norms of the gradients.

        Returns:
            Them as they are to be logged.
        """
        if self.loss_scale is not None:
            losses = self.loss_scale.after_step(losses)
        finite = tf.reduce_all(tf.math.is_finite(tf.stack(list(losses.values()))))
        sound = self.sound & finite
        self.sound.assign(sound)
        self.step.assign_add(tf.cast(sound, tf.int64))
        if "L_match" in losses:
            moved = (1 - _RECENT) * (losses["L_match"] - self.match_mean)
            self.match_mean.assign_add(tf.where(sound, moved, 0.0))
        step = tf.cast(self.step, tf.float32)
        # Early on the average follows quickly, so that the initial weights soon leave it.
        decay = tf.minimum(self.config.deviations.ema, (1 + step) / (10 + step))
        for mean, current in zip(self.averaged.weights, self.generator.weights, strict=True):
            followed = mean.value + (1 - decay) * (current.value - mean.value)
            mean.assign(tf.where(sound, followed, mean.value))
        return losses

    # Progress: the schedule of all that follows the warm-up counts from its end.

    @property
    def schedule(self) -> Schedule:
        """The schedule as it is now; to ask for it waits for the device."""
        return Schedule(self.config, int(self.warm_up_end.numpy()))

    def steps_after_warm_up(self):
        """How many of the steps done came after the warm-up; for graphs."""
        return self.step - tf.maximum(self.warm_up_end, 0)

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """Set the learning rates of optimizers, by their names, as :meth:`Schedule.rates` says."""
        for name, rate in rates.items():
            getattr(self, name).learning_rate.assign(rate)

    # Checkpoints.

    def parts(self) -> dict[str, tf.Variable | list[tf.Variable]]:
        """All that training changes, by name: networks, average, optimizers, step.

        Variables are listed singly: TensorFlow's own walk through Keras models silently passes
        over layers that are kept in lists.
        """
        parts = {
            "generator": self.generator.weights,
            "averaged": self.averaged.weights,
            "generator_optimizer": self.generator_optimizer.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
        }
        for stage in self.stages:
            parts[f"d_i_{stage}"] = self.d_i[stage].weights
            parts[f"d_t_{stage}"] = self.d_t[stage].weights
        if self.config.deviations.warm_up:
            # "forerunner": the name of the texture projection in checkpoints from the beginning.
            parts["forerunner"] = self.texture_projection.weights
            parts["warm_up_optimizer"] = self.warm_up_optimizer.variables
        progress = {name: getattr(self, name) for name in ("step", "match_mean", "warm_up_end")}
        if self.loss_scale is not None:
            progress |= {"loss_scale": self.loss_scale.factor, "calm": self.loss_scale.calm}
        return progress | {name: [weight.value for weight in part] for name, part in parts.items()}

    def checkpoint(self, **others) -> tf.train.Checkpoint:
        """All of :meth:`parts`, and what else shall be in it."""
        return tf.train.Checkpoint(**self.parts(), **others)
