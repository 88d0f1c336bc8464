"""What others may do along with a training: follow its losses, profile it, watch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

_FIRST, _COUNT = 5, 5  # the steps of a profile: after all graphs are traced


def _nothing(*arguments: Any) -> None:
    pass


@dataclass(frozen=True)
class Hooks:
    """Functions that the loop calls.

    Attributes:
        on_log: at each row of ``log.jsonl``, with the step and the row's numbers by their names;
            for experiment trackers. It should return at once: training waits for it.
        before_step: before each step, with the number of steps done.
    """

    on_log: Callable[[int, dict[str, float]], None] = _nothing
    before_step: Callable[[int], None] = _nothing


NO_HOOKS = Hooks()


class Profile:
    """Profiles five steps, from the sixth that this process takes: give it to
    ``Hooks(before_step=...)``.

    Args:
        folder: where TensorBoard looks for the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._steps, self._open = folder, 0, False

    def __call__(self, step: int) -> None:
        if self._steps == _FIRST:
            tf.profiler.experimental.start(str(self.folder))
            self._open = True
        elif self._steps == _FIRST + _COUNT:
            self.end()
        self._steps += 1

    def end(self) -> None:
        """Write the profile, if that has not been done."""
        if self._open:
            tf.profiler.experimental.stop()
            self._open = False


def serve_tensorboard(folder: Path) -> str:
    """Show a run's curves as long as this process lives.

    Returns:
        The address.
    """
    from tensorboard import program  # it takes a second, and few ask for it

    board = program.TensorBoard()
    board.configure(argv=[None, "--logdir", str(folder)])
    return board.launch()
