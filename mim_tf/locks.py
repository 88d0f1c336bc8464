"""A folder that one process at a time may change."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mim_tf import json_text
from mim_tf.errors import UserError

NAME = "train.lock"

# Windows locks bytes, and nobody else can read these: far behind what the file holds.
_LOCKED_BYTE = 1 << 30


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, the file :data:`NAME` in it, while the body runs.

    The lock is the operating system's on the open file, which ends with the process, however that
    ends: a file that a killed process has left locks nobody out. The file names the holder, for
    the message alone. It stays, empty, when the body ends: to delete it could take away the lock
    that another process has just got.

    Raises:
        UserError: another process holds the lock.
        OSError: the folder cannot be written.
    """
    file = folder / NAME
    with file.open("a+", encoding="utf-8") as opened:
        try:
            _lock(opened)
        except (BlockingIOError, PermissionError):
            raise UserError(
                f"{folder} is in use by {_holder(opened)}; wait for its end or stop it, "
                "or choose another directory with --run"
            ) from None
        except OSError as error:
            # Some network file systems have no locks; training there must go on being possible.
            print(f"{file}: cannot be locked ({error.strerror})", file=sys.stderr)
        try:
            opened.truncate(0)
            opened.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
            opened.flush()
            yield
        finally:
            opened.truncate(0)


def _lock(opened: IO[str]) -> None:
    """Take the lock at once or raise OSError; closing the file gives it back."""
    if sys.platform == "win32":
        import msvcrt

        opened.seek(_LOCKED_BYTE)
        msvcrt.locking(opened.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(opened: IO[str]) -> str:
    """Who holds the lock, as far as the file says."""
    try:
        opened.seek(0)
        holder = json_text.load(opened.read())
        return f"process {int(holder['pid'])} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # which has not written its name yet
