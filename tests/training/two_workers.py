"""The tiny training that several devices share; as a script, one worker of it.

    python two_workers.py CONFIG.json RUN [--resume]

TF_CONFIG says which worker it is; MIM_TEST_DIES_AT at which step this one is killed. The positions
of the pictures that it reads go to MIM_TEST_POSITIONS.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tiny import TINY

from mim_tf.training.optimizer import Adam

# Ten full steps after a warm-up. A share of the pictures that two devices cannot halve.
SHARED = {
    **TINY,
    "model": {**TINY["model"], "fine": False},  # half the time, and nothing else to share
    "train": {"batch_size": 4, "steps": 10, "seed": 3},
    "deviations": {"warm_up": 4, "perturb": 0.75},
    "machine": {**TINY["machine"], "sample_every": 99, "checkpoint_every": 2, "log_every": 2},
}  # fmt: skip


def gentle_adam(state, learning_rate: float) -> Adam:
    """Adam as :class:`TrainingState` makes it, but for its epsilon: by default it would turn a
    gradient that is nothing but rounding into whole steps."""
    options = state.config.optimizer
    return Adam(learning_rate, options.beta_1, options.beta_2, epsilon=1e-3)


def main() -> int:
    from mim_tf import train
    from mim_tf.data.pipeline import Sampler
    from mim_tf.training import loop, memory_start
    from mim_tf.training.state import TrainingState

    config, run, *rest = sys.argv[1:]
    positions, dies_at = Path(os.environ["MIM_TEST_POSITIONS"]), int(os.environ["MIM_TEST_DIES_AT"])
    read, take_step = Sampler.__call__, loop._Loop._step

    def read_and_note(self, first, count):
        with positions.open("a") as file:
            file.writelines(f"{first + k}\n" for k in range(count))
        return read(self, first, count)

    def step_or_die(self, batch, step):
        if step == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return take_step(self, batch, step)

    memory_start._STEPS = 50  # as in the process that compares (conftest.py)
    TrainingState._adam = gentle_adam
    Sampler.__call__ = read_and_note
    loop._Loop._step = step_or_die
    return train.main(["--run", run, *(rest or ["--config", config])])


if __name__ == "__main__":
    sys.exit(main())
