"""Reads files that others published: archives, lists and pickles (MATLAB files: `matlab.py`).

None of them is trusted: names must stay inside their folder, and no code in a pickle is run.
"""

from __future__ import annotations

import gzip
import io
import pickle
import pickletools
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mim_tf.errors import UserError
from mim_tf.storage import read_plain, replacing_folder

_MOST_BYTES = 4_000_000_000  # of a list, a pickle or a MATLAB file; published ones have 100 MB
# Published archives are of photographs, which no packing shrinks, and of text, which it shrinks to
# a tenth. An archive that unpacks to more than this many times its size is made to fill a disk.
_UNPACKED_SHARE, _UNPACKED_BASE = 20, 10_000_000
_BLOCK = 512  # bytes that a file takes at least, however empty
# What gzip, tarfile and zipfile raise on a truncated or damaged file.
_BROKEN_ARCHIVE = (
    tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, KeyError, ValueError, RuntimeError
)  # fmt: skip


def read_text(path: Path) -> str:
    """Read a UTF-8 file; bytes that are not UTF-8 become U+FFFD.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return read_plain(path, _MOST_BYTES).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, stripped; blank lines are left out."""
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def read_captions(path: Path) -> tuple[str, ...]:
    """The captions in a text file, one on each line; an empty tuple where there is no such file."""
    return clean_captions(read_text(path).split("\n")) if path.is_file() else ()


def clean_captions(captions: list[str]) -> tuple[str, ...]:
    """Captions with single blanks; those without a letter or digit are left out.

    U+FFFD becomes a blank: some publishers' files have it in place of a no-break space.
    """
    cleaned = (" ".join(caption.replace("\ufffd", " ").split()) for caption in captions)
    return tuple(caption for caption in cleaned if any(map(str.isalnum, caption)))


def safe_name(name: str, source: Path) -> PurePosixPath:
    """A name from a file as a relative path that stays inside its folder.

    Args:
        name: the name.
        source: the file that holds it, for the error.

    Raises:
        UserError: the name is empty or absolute, or holds ``..``, a backslash or a null character.
    """
    path = PurePosixPath(name)
    if not name or "\\" in name or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise UserError(
            f"{source}: the name {name!r} leads out of its folder; "
            "do not trust this file, get it from its publisher"
        )
    return path


# Archives ----------------------------------------------------------------------------------------


def find_or_unpack(root: Path, folder: str, archive: str) -> Path | None:
    """The path ``root/folder``, unpacked from ``root/archive`` where the folder does not exist.

    The folder appears whole or not at all.

    Returns:
        The folder; None where there is neither the folder nor the archive.

    Raises:
        UserError: the archive is broken or incomplete, holds a path that leads out of its folder,
            or cannot be unpacked for want of space or permission.
    """
    target, packed = root / folder, root / archive
    if target.is_dir():
        return target
    if not packed.is_file():
        return None
    print(f"unpacking {packed}, once", file=sys.stderr)
    try:
        with replacing_folder(target, existing="keep") as temporary:
            left = _UNPACKED_SHARE * packed.stat().st_size + _UNPACKED_BASE
            for name, content in _members(packed):
                if name.parts[:1] == (folder,):  # CUB's archive has another file beside its folder
                    path = temporary.joinpath(*name.parts[1:])
                    path.parent.mkdir(parents=True, exist_ok=True)
                    left = _unpack_member(content, path, left - _BLOCK)
                    if left < 0:
                        raise UserError(
                            f"{packed}: holds far more than an archive of its size can; do not "
                            "trust this file, get it from its publisher"
                        )
            if not any(temporary.iterdir()):
                raise UserError(
                    f"{packed}: holds no folder {folder}; get it from its publisher again"
                )
    except _BROKEN_ARCHIVE as error:
        raise UserError(
            f"{packed}: broken or incomplete ({error or type(error).__name__}); download it again"
        ) from error
    except OSError as error:
        # gzip reports a damaged file as an OSError without an error number.
        if error.errno is None:
            raise UserError(f"{packed}: broken ({error}); download it again") from error
        raise UserError(
            f"{packed}: cannot be unpacked beside itself ({error.strerror}); make room, or unpack "
            "it elsewhere and set data.root to that place"
        ) from error
    return target


def _unpack_member(content: IO[bytes], path: Path, most: int) -> int:
    """Write a file of at most ``most`` bytes; gives how many of them are left, or -1."""
    with path.open("wb") as file:
        while part := content.read(1 << 20):
            most -= len(part)
            if most < 0:
                return -1
            file.write(part)
    return most


def _members(archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Name and content of each plain file in an archive; links and devices are refused."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                name = safe_name(entry.filename, archive)
                if not entry.is_dir():
                    with packed.open(entry) as content:
                        yield name, content
        return
    if archive.suffix == ".zip":
        raise UserError(f"{archive}: broken or incomplete; download it again")
    # tarfile's own gzip reader takes the end of a truncated file for the end of the archive.
    with gzip.open(archive) as plain, tarfile.open(fileobj=plain, mode="r|") as packed:
        for member in packed:
            name = safe_name(member.name, archive)
            if member.isdir():
                continue
            unpacked = packed.extractfile(member) if member.isfile() else None
            if unpacked is None:
                raise UserError(f"{archive}: {member.name!r} is a link; do not trust this file")
            yield name, unpacked
        while plain.read(1 << 20):  # gzip verifies its checksum at the end of the stream
            pass


# Pickles -----------------------------------------------------------------------------------------


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, dictionaries, strings and numbers alone.

    A pickle can name any function of Python and have it called. This one refuses every name, so a
    crafted file cannot run anything.
    """

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_pickle(path: Path, encoding: str = "utf-8") -> Any:
    """Read a pickle of plain values. No code that a crafted file may hold is run.

    Args:
        path: the file.
        encoding: of the byte strings in a pickle that Python 2 wrote.

    Raises:
        UserError: unreadable, malformed, or it names anything but plain values.
    """
    try:
        data = read_plain(path, _MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    try:
        _check_lengths(data)
        return _PlainUnpickler(io.BytesIO(data), encoding=encoding).load()
    except MemoryError:
        raise
    except Exception as error:  # a malformed pickle can raise almost any exception
        raise UserError(
            f"{path}: not a pickle of plain values ({error}); get it from its publisher again"
        ) from error


def _check_lengths(data: bytes) -> None:
    """Refuse a pickle that announces more than it holds: memory would be taken for it first.

    Raises:
        ValueError: it is malformed, or the number of a memo is above the number of its bytes.
    """
    for code, argument, _ in pickletools.genops(data):  # checks the lengths of strings itself
        memo = code.name in ("PUT", "BINPUT", "LONG_BINPUT")
        if memo and argument is not None and argument > len(data):
            raise ValueError(f"the memo {argument} of a pickle of {len(data)} bytes")


def read_pickled_names(path: Path) -> list[str]:
    """Read a pickled list of strings with :func:`read_pickle`.

    Raises:
        UserError: as :func:`read_pickle`, or the pickle is not a list of strings.
    """
    names = read_pickle(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: expected a pickled list of names, found something else")
    return names
