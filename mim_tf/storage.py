"""Files and folders of our own that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mim_tf.errors import UserError

# Besides what is asked for: a row of the log, a file of names, what the file system itself needs.
_SPARE = 1_000_000


@contextlib.contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    The body writes the path that it is given, a new name beside ``path`` with the same suffix.
    When the body ends, the file takes the place of ``path``, which survives a loss of power as
    either the old content or the new; when the body raises, it is deleted and ``path`` stays.

    Raises:
        OSError: the place cannot be written.
    """
    temporary = _beside(path)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # as a write to a full disk has none
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(
    path: Path, existing: Literal["replace", "keep", "refuse"] = "replace"
) -> Iterator[Path]:
    """:func:`replacing_file` for a folder: the body fills the empty folder that it is given.

    Args:
        path: the folder to be, or a link to it; its parent is made where it is missing.
        existing: what to do about a folder that is at ``path`` when the body ends: ``replace``
            it, ``keep`` it and drop the new one (another process was faster), or ``refuse`` to
            touch it and raise FileExistsError.

    Raises:
        OSError: the place cannot be written.
    """
    path = path.resolve()
    temporary = _beside(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        # One call for the whole system: a data set's folder may hold 200,000 files.
        if hasattr(os, "sync"):
            os.sync()
        if path.exists() and existing == "replace":
            earlier = _beside(path)
            path.rename(earlier)
            try:
                temporary.rename(path)
            except BaseException:
                earlier.rename(path)
                raise
            shutil.rmtree(earlier)
        elif path.exists() and existing == "refuse":
            raise FileExistsError(17, "another process has made it in the meantime", str(path))
        elif not path.exists():
            temporary.rename(path)
        flush_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def open_plain(path: Path) -> io.BufferedReader:
    """A plain file, opened to be read.

    A pipe or a device (``/dev/zero``) is refused at once: it may never end, or never begin.

    Raises:
        OSError: it cannot be opened, or is no plain file.
    """
    # Without O_NONBLOCK, to open a pipe would wait for its writer. Windows has neither flag.
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "is no plain file", str(path))
        return open(descriptor, "rb")  # noqa: PTH123  of a descriptor
    except OSError:
        os.close(descriptor)
        raise


def read_plain(path: Path, most: int) -> bytes:
    """The content of a plain file, of ``most`` bytes at most.

    Raises:
        OSError: as :func:`open_plain`, or it is longer.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            reason = f"has {size:,} bytes, at most {most:,} are read"
            raise OSError(errno.EFBIG, reason, str(path))
        return file.read()


def replace_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    with replacing_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_text(folder: Path) -> None:
    """Refuse a folder for TensorFlow's files whose name is not UTF-8, before hours of work in it.

    Raises:
        UserError: naming it.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise UserError(f"{folder}: the name is not UTF-8; choose another") from None


def check_room(file: Path, needed: int, remedy: str) -> None:
    """Refuse to write a file for which its disk has too little room.

    Args:
        file: to be written, in a folder that exists.
        needed: bytes.
        remedy: what to do once there is room, for the error.

    Raises:
        UserError: naming the file and both sizes.
    """
    free = shutil.disk_usage(file.parent).free
    if free < needed + _SPARE:
        raise UserError(
            f"{file}: needs {_megabytes(needed + _SPARE)}, {_megabytes(free)} are free; make room "
            f"and {remedy}"
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def is_full(error: BaseException) -> bool:
    """Whether a write failed because the disk, or the user's share of it, is full."""
    return (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or (
        "No space left on device" in str(error) or "Disk quota exceeded" in str(error)
    )


def remove_partial(folder: Path) -> None:
    """Remove what writes into a folder have left that were killed; for who alone may change it."""
    for partial in folder.glob(".partial.*"):
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A name in the same folder that nothing has, ending as ``path`` does.

    Not made by ``tempfile``, whose files only their owner may read.
    """
    return path.with_name(f".partial.{secrets.token_hex(8)}.{path.name[-32:]}")


def flush(file: Path) -> None:
    """Wait until a file's content is on the disk, not only in the system's memory."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def flush_folder(folder: Path) -> None:
    """The same for the names in a folder; Windows has no such call, and needs none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
