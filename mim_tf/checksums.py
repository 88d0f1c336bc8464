"""The checksums of a folder of ours: the file ``SHA256SUMS``, which ``sha256sum -c`` reads, too.

It lists the files of a run, preset, export or records folder that do not change any more, or only
together with it. It is written last, so a folder without it is unfinished. A damaged file is found
when the folder is opened, and named; whoever changes files on purpose can write it anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mim_tf import json_text
from mim_tf.errors import UserError
from mim_tf.places import CONFIG
from mim_tf.storage import open_plain, read_plain, replace_text

NAME = "SHA256SUMS"

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
# A comment to sha256sum: what a file held when the list was written, as JSON.
_NOTE = re.compile(r"# (\S+) (\{.*\})")
_MOST_BYTES = 1_000_000_000  # of the list, which has one line a file
_MOMENT = 0.5  # seconds; a training may just be replacing a file and its checksum
_NAMED = 5  # so many files that do not fit are named; the rest are counted


def write_sums(
    folder: Path, names: Iterable[str], notes: dict[str, dict[str, Any]] | None = None
) -> None:
    """Note the checksums of files as they are now; other files that are noted stay.

    Args:
        folder: whose file :data:`NAME` is written, whole or not at all.
        names: files in it, by their paths relative to it, with ``/``.
        notes: contents of some of them to be kept beside their checksums; see :func:`note_of`.

    Raises:
        UserError: what is noted already cannot be read.
        OSError: a file cannot be read, or the folder cannot be written.
    """
    sums, kept = _read(folder) if (folder / NAME).is_file() else ({}, {})
    sums |= {name: sha256_of(folder / name) for name in names}
    kept |= notes or {}
    lines = [f"# {name} {json.dumps(kept[name])}" for name in sorted(kept)]
    lines += [f"{sums[name]}  {name}" for name in sorted(sums)]
    replace_text(folder / NAME, "".join(f"{line}\n" for line in lines))


def write_sums_of_all(folder: Path) -> None:
    """:func:`write_sums` of every file below a folder that is finished."""
    files = (path for path in folder.rglob("*") if path.is_file())
    # Beside a write that was killed, a partial file may lie.
    kept = (path for path in files if path.name != NAME and not path.name.startswith(".partial."))
    write_sums(folder, [path.relative_to(folder).as_posix() for path in kept])


def check_sums(folder: Path, names: Iterable[str] | None = None) -> None:
    """Compare files with their checksums.

    Args:
        folder: which :func:`write_sums` was called for.
        names: the files to be compared; all that are noted by default.

    Raises:
        UserError: naming the files that are damaged, changed, missing or not noted, or the folder
            has no checksums.
    """
    wanted = None if names is None else list(names)
    wrong = _misfits(folder, wanted)
    if wrong:
        time.sleep(_MOMENT)
        wrong = _misfits(folder, wanted)
    if wrong:
        more = f" (and {len(wrong) - _NAMED} more)" if len(wrong) > _NAMED else ""
        shown = ", ".join(f"{name} {what}" for name, what in wrong[:_NAMED])
        raise UserError(
            f"{folder}: {shown}{more} by {NAME}; restore it from a copy, or write {NAME} anew "
            "if the change is yours"
        )


def check_replaceable(folder: Path, mark: str, flag: str) -> None:
    """Refuse to replace a folder that is neither new, nor empty, nor all of an earlier export.

    Args:
        mark: a file that every earlier export holds.
        flag: that named the folder, for the message.

    Raises:
        UserError: the folder holds something else, or something besides.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / mark).is_file() or not (folder / NAME).is_file():
        raise UserError(f"{flag} {folder} is not an earlier export; name an empty folder")
    exported = {NAME, *_read(folder)[0]}
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    others = sorted({path.relative_to(folder).as_posix() for path in found} - exported)
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise UserError(
            f"{flag} {folder} holds {others[0]}{more} besides an earlier export, which would be "
            "deleted; move it away, or name an empty folder"
        )


def fits(folder: Path, name: str) -> bool:
    """Whether a file is as noted.

    Raises:
        UserError: the folder has no checksums, or they cannot be read.
    """
    return not _misfits(folder, [name])


def note_of(folder: Path, name: str) -> dict[str, Any] | None:
    """What a file held when its checksum was noted, if that was noted, too.

    Raises:
        UserError: the folder has no checksums, or they cannot be read.
    """
    return _read(folder)[1].get(name)


def sha256_of(file: Path) -> str:
    """SHA-256 of a plain file, in hexadecimal digits.

    Raises:
        OSError: it cannot be read, or is a pipe or a device, which may never end.
    """
    with open_plain(file) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _misfits(folder: Path, names: list[str] | None) -> list[tuple[str, str]]:
    """Files that are not as noted, and what is wrong with each."""
    sums, _ = _read(folder)
    wrong = []
    for name in sorted(sums) if names is None else names:
        try:
            if name not in sums:
                wrong.append((name, "is not listed"))
            elif sha256_of(folder / name) != sums[name]:
                wrong.append((name, "was damaged or changed"))
        except OSError as error:
            wrong.append((name, f"cannot be read ({error.strerror})"))
    return wrong


def _read(folder: Path) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Checksums and notes by the names of their files."""
    file = folder / NAME
    try:
        lines = read_plain(file, _MOST_BYTES).decode("utf-8").splitlines()
    except FileNotFoundError:
        # A run also holds a log and more that grows.
        files = "*.yaml *.json *.h5" if (folder / CONFIG).is_file() else "$(find * -type f)"
        raise UserError(
            f"{folder} has no {NAME}: it is unfinished, incomplete or of a former version; if you "
            f"trust its files, write it: (cd {folder} && sha256sum {files} > {NAME})"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise UserError(f"{file}: cannot be read ({reason}); restore it from a copy") from None
    sums, notes = {}, {}
    for number, line in enumerate(lines, start=1):
        if found := _LINE.fullmatch(line):
            sums[found[2].removeprefix("./")] = found[1]
        elif found := _NOTE.fullmatch(line):
            notes[found[1]] = _note(file, number, found[2])
        elif line.strip() and not line.startswith("#"):
            raise UserError(f"{file}, line {number}: no checksum and name; restore it from a copy")
    if not sums:
        raise UserError(f"{file} is empty; restore it from a copy")
    return sums, notes


def _note(file: Path, number: int, text: str) -> dict[str, Any]:
    try:
        note: dict[str, Any] = json_text.load(text)
    except ValueError:
        raise UserError(f"{file}, line {number}: a broken note; restore it from a copy") from None
    return note
