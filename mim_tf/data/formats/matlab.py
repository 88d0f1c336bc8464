"""Reads MATLAB files that others published, in a process of its own.

SciPy's reader trusts what a file says about itself: a tampered one can make it crash the process
that calls it. Here that process is a child, which hands over plain numbers and strings.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from mim_tf.errors import UserError

_SECONDS = 300  # the longest published file takes two
# Numbers become a flat list; a cell array of strings becomes a list of strings.
_READ = """
import json, sys
import numpy as np
import scipy.io

def plain(value):
    value = np.asarray(value).ravel()
    if value.dtype.kind in "uifb":
        return value.tolist()
    return [str(np.asarray(item).item()) for item in value]

names = sys.argv[2:]
content = scipy.io.loadmat(sys.argv[1], variable_names=names)
missing = [name for name in names if name not in content]
json.dump({"missing": missing, "values": [plain(content[name]) for name in names
                                          if name in content]}, sys.stdout)
"""


def read_mat(path: Path, *names: str) -> list[np.ndarray]:
    """Read variables of a MATLAB file (version 7 or older), in the order of ``names``.

    Returns:
        For each a flat array: of numbers, or of the strings of a cell array.

    Raises:
        UserError: the file does not exist, is broken, lacks one of the variables, or one is neither
            numbers nor strings.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; get it from the data set's publisher")
    found = path.stat()
    try:
        return _read(path.resolve(), (found.st_mtime_ns, found.st_size), names)
    except ValueError as error:
        raise UserError(f"{path}: {error}; get it from its publisher again") from None


@functools.lru_cache(maxsize=8)
def _read(path: Path, version: tuple[int, int], names: tuple[str, ...]) -> list[np.ndarray]:
    """:func:`read_mat` of a version of a file; each split of a data set asks for the same one.

    Raises:
        ValueError: what is wrong with the file.
    """
    command = [sys.executable, "-c", _READ, str(path), *names]
    reason = ["SciPy crashes on it"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or reason
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise ValueError(f"not a MATLAB file, or a broken one ({reason[0][:200]})") from None
    if found["missing"]:
        raise ValueError(f"holds no variable {found['missing'][0]}")
    return [np.array(value) for value in found["values"]]
