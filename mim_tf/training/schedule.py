"""What a step is: of the warm-up or after it, of which kind, and with which learning rates."""

from __future__ import annotations

from dataclasses import dataclass

from mim_tf.config import Config


@dataclass(frozen=True)
class Schedule:
    """The schedule of a training whose warm-up has ended, or goes on.

    What follows the warm-up counts from its end. These are plain numbers: to ask for them waits
    for no device.

    Attributes:
        config: the run's.
        warm_up_end: the steps that the warm-up took; -1 while it goes on.
    """

    config: Config
    warm_up_end: int

    @property
    def in_warm_up(self) -> bool:
        """Whether the warm-up still goes on."""
        return self.warm_up_end < 0

    @property
    def warm_up_steps(self) -> int:
        """How many steps the warm-up took, or has at most."""
        return self.config.deviations.warm_up if self.in_warm_up else self.warm_up_end

    def options(self, step: int) -> dict[str, bool]:
        """Those of :meth:`mim_tf.training.mimnet.MIMNet.train_step` for a step after the warm-up,
        counted from the very start."""
        deviations, after = self.config.deviations, step - self.warm_up_steps
        discriminate = after % deviations.adversarial_every == 0
        adversary = discriminate and after >= deviations.adversarial_start
        return {"discriminate": discriminate, "adversary": adversary}

    def rates(self, step: int, steps: int) -> dict[str, float]:
        """The learning rate of each optimizer, by its name in
        :class:`mim_tf.training.state.TrainingState`, first of the one that moves the generator at
        this step; the warm-up has a schedule of its own.

        Args:
            step: counted from the very start.
            steps: how many there are after the warm-up.
        """
        options, rates = self.config.optimizer, {}
        if self.in_warm_up:
            decay = self._decay(step / self.config.deviations.warm_up)
            rates["warm_up_optimizer"] = options.warm_up_learning_rate * decay
        decay = self._decay(0 if self.in_warm_up else (step - self.warm_up_end) / steps)
        rates["generator_optimizer"] = options.learning_rate * decay
        rates["discriminator_optimizer"] = options.discriminator_learning_rate * decay
        return rates

    def _decay(self, progress: float) -> float:
        decays = self.config.deviations.learning_rate_decay
        return min(1.0, 2 * (1 - progress)) if decays else 1.0
