"""Keeps what libraries write to stderr while they start from standing beside a command's own lines.

TensorFlow writes half a dozen lines when it is imported, before it has read any setting that would
silence it: to the file descriptor, not through Python. So the descriptor is redirected meanwhile.
Set ``TF_CPP_MIN_LOG_LEVEL=0`` to see all of it.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

_NOISY = ("tensorflow", "tensorflow_text")


def wants_all() -> bool:
    """Whether the user has asked for every line."""
    return os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0"


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what is written to file descriptor 2 while the body runs; if it raises, write it."""
    if wants_all():
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            kept = stack.enter_context(tempfile.TemporaryFile())
            before = os.dup(2)
            stack.callback(os.close, before)
            sys.stderr.flush()
            os.dup2(kept.fileno(), 2)
        except (OSError, ValueError, AttributeError):  # no stderr, or no place for a file
            stack.close()
            yield
            return
        try:
            yield
        except BaseException:
            os.dup2(before, 2)
            kept.seek(0)
            os.write(2, kept.read())
            raise
        finally:
            os.dup2(before, 2)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the noisy packages where the others do, and has them imported in silence."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> Any:
        if fullname not in _NOISY:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def quietly(module: ModuleType) -> None:
                with silenced():
                    execute(module)

            spec.loader.exec_module = quietly  # type: ignore[method-assign]
        return spec


def import_quietly() -> None:
    """From now on, noisy packages are imported in silence."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
