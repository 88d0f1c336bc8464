"""Progress bars on the terminal of whoever waits, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TextIO, TypeVar

T = TypeVar("T")

_DELAY = 0.5  # seconds until a bar is drawn: what is done by then needs none


class Progress(Generic[T]):
    """Goes through items, with a bar on stderr while it is a terminal and there are several.

    Args:
        items: to go through, once.
        what: is done, in a word or two.
        unit: what an item is called.
    """

    def __init__(self, items: Sequence[T], what: str, unit: str = "it") -> None:
        self._items = items
        self._bar: Any = None
        if len(items) > 1 and sys.stderr.isatty():
            from tqdm import tqdm  # takes a tenth of a single edit's time to import

            self._bar = tqdm(
                items,
                desc=what,
                unit=unit,
                dynamic_ncols=True,
                file=sys.stderr,
                leave=False,
                delay=_DELAY,
            )

    def __iter__(self) -> Iterator[T]:
        return iter(self._items if self._bar is None else self._bar)

    def tell(self, line: str, file: TextIO | None = None) -> None:
        """Print a line, above the bar."""
        if self._bar is None:
            print(line, file=file)
        else:
            self._bar.write(line, file=file)


class LastingStderr:
    """The process's stderr, for what must not end with whoever reads it: once the terminal or pipe
    behind it is closed, what is written goes nowhere."""

    def write(self, text: str) -> int:
        try:
            return sys.stderr.write(text)
        except OSError:
            silence_stderr()
            return len(text)

    def flush(self) -> None:
        try:
            sys.stderr.flush()
        except OSError:
            silence_stderr()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def silence_stderr() -> None:
    """Send what this process writes to stderr from now on nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
