"""Signals that ask training to stop: it ends its step and saves first."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from mim_tf.errors import InterruptedBySignal
from mim_tf.progress import silence_stderr

# Ctrl-C, the end of a preemptible machine's time, and a terminal that was closed. Windows has no
# SIGHUP.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in dir(signal)]


class Interruption:
    """While this context is open, a signal of :data:`SIGNALS` is noted instead of obeyed.

    The loop asks between its steps whether one has come. Further signals change nothing, so that
    they cannot break off the save. A signal that the process ignores (SIGHUP under ``nohup``)
    stays ignored. Python delivers signals to the main thread alone; in another thread the context
    does nothing.

    Attributes:
        signal: the first signal that came; None before.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._earlier: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # None: a handler that was not set from Python, which could not be put back.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._earlier[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def raise_if_signalled(self) -> None:
        """Raise InterruptedBySignal if a signal has come; for when all is saved."""
        if self.signal is not None:
            raise InterruptedBySignal(self.signal)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = signal.Signals(number)
            line = f"\n{self.signal.name}: ends this step, then saves\n"
            # Not through sys.stderr: the signal may come in the middle of a write to it.
            try:
                os.write(2, line.encode())
            except OSError:
                # The terminal was closed. The progress bar goes on writing to it, and its error
                # would break off the step: what it writes goes nowhere from now on.
                silence_stderr()
