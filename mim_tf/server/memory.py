"""Memory of large pictures goes back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h
_LARGE, _ARENAS = 1 << 20, 2


def return_large_blocks() -> None:
    """Have large blocks returned to the system when they are freed; before TensorFlow's import.

    TensorFlow keeps what its CPU kernels have once taken in a pool of oneDNN's, and glibc keeps
    freed blocks of up to 32 MB: a server that has edited a few pictures of 25 megapixels would stay
    gigabytes larger (``benchmarks/serving_under_attack.py``). Other C libraries have no such call.
    """
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # not glibc
            library = ctypes.CDLL("libc.so.6")
            library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
            library.mallopt(_M_ARENA_MAX, _ARENAS)
