"""Signals during training: noted, in whatever number, and told by the exit code."""

from __future__ import annotations

import os
import signal

import pytest

from mim_tf.errors import InterruptedBySignal, entry_point
from mim_tf.training.interruption import SIGNALS, Interruption

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


def interrupted_by(*signals: signal.Signals) -> Interruption:
    with Interruption() as interruption:
        for number in signals:
            signal.raise_signal(number)
    return interruption


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_exit_code_is_128_and_the_first_signal(number):
    interruption = interrupted_by(number, *SIGNALS, *SIGNALS)
    assert entry_point(lambda: interruption.raise_if_signalled() or 0)() == CODES[number.name]


def test_without_a_signal_nothing_is_raised():
    assert entry_point(lambda: Interruption().raise_if_signalled() or 0)() == 0


def test_a_signal_is_a_keyboard_interrupt_with_a_code():
    """So that what must not swallow Ctrl-C does not swallow the others either."""
    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted_by(signal.SIGTERM).raise_if_signalled()
    assert isinstance(caught.value, InterruptedBySignal)


def test_what_the_process_ignores_stays_ignored():
    """``nohup`` ignores SIGHUP."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert interrupted_by(signal.SIGTERM).signal is None
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_closed_terminal_takes_no_more_lines_but_breaks_nothing():
    reading, writing = os.pipe()
    os.close(reading)  # writes to the other end fail, as to a terminal that was closed
    standard_error = os.dup(2)
    os.dup2(writing, 2)
    try:
        interruption = interrupted_by(signal.SIGTERM)
        os.write(2, b"progress")
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(writing)
    assert interruption.signal == signal.SIGTERM
