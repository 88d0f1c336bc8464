"""Mistakes of the user's, and how every command reports them."""

import contextlib
import errno
import functools
import importlib.util
import io
import re
import sys
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec

from mim_tf.quiet import import_quietly

_LONGEST = 2000  # characters of an error
_ESCAPED = re.compile("[\ud800-\udfff]")  # in a name: bytes that are not UTF-8

EXIT_USER_ERROR = 1
EXIT_INTERRUPTED = 130  # what a shell reports for a program ended by SIGINT

Arguments = ParamSpec("Arguments")

# Packages that the base installation does not have: what a user calls them, and their extra.
_EXTRAS = {
    "tensorflow": ("TensorFlow", "train"),
    "keras": ("Keras", "train"),
    "tensorflow_text": ("tensorflow-text", "train"),
    "h5py": ("h5py", "train"),
    "scipy": ("SciPy", "train"),
    "cv2": ("OpenCV", "train"),
    "pydantic": ("pydantic", "train"),
    "yaml": ("PyYAML", "train"),
    "tensorboard": ("TensorBoard", "train"),
    "tensorflow_serving": ("tensorflow-serving-api", "serve"),
    "grpc": ("grpcio", "serve"),
    "requests": ("requests", "serve"),
    "starlette": ("Starlette", "serve"),
    "uvicorn": ("Uvicorn", "serve"),
    "krippendorff": ("krippendorff", "study"),
    "jinja2": ("Jinja2", "train"),
    "torch": ("PyTorch", "import"),
}


class UserError(Exception):
    """A bad configuration, a bad file, a bad argument: what the user can put right.

    `str(error)` is one line that says what is wrong, where, and what to do about it.
    """

    def __init__(self, message: str) -> None:
        # A file name or a codec's own message may hold line breaks, or a file's whole content; the
        # report stays a line that can be read.
        line = " ".join(str(message).splitlines())
        super().__init__(line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ...")


class InterruptedBySignal(KeyboardInterrupt):
    """A signal asked the command to stop, and it has saved its work.

    Args:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def explain_missing_package(error: ModuleNotFoundError) -> Exception:
    """One line that says which extra to install, for a package of :data:`_EXTRAS`; else the
    error itself, which is a defect of the program."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return error
    if package == "tensorflow_text" and sys.platform == "win32":
        return UserError(
            "this needs tensorflow-text, which has no Windows package: use WSL, Linux or macOS"
        )
    name, extra = _EXTRAS[package]
    # Of the many that training needs, the first one that is missed says little.
    if extra == "train":
        name = "TensorFlow" if importlib.util.find_spec("tensorflow") is None else name
    return UserError(
        f"this needs {name}: install mim-tf with what [{extra}] adds, in a clone: "
        f'pip install ".[{extra}]"'
    )


def tell_missing_package(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """A hook for exceptions that nothing catches: one line where a package is missing."""
    explained = explain_missing_package(error) if isinstance(error, ModuleNotFoundError) else error
    if explained is error:
        sys.__excepthook__(kind, error, traceback)
    else:
        print(f"error: {explained}", file=sys.stderr)


def entry_point(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Wrap a command's `main(argv) -> exit code` so that all commands end alike.

    A `UserError` becomes `error: ...` on stderr and exit code 1, and so does a file or folder that
    the system refuses, or a package that is not installed; Ctrl-C becomes `interrupted` and 130,
    another signal that a command has heeded becomes 128 + its number, as shells report it.
    Anything else is a defect of the program and propagates with its traceback.

    A name that is not UTF-8 is printed with what is wrong in it as ``\\udcff``; where it cannot be
    used, it is named in one line.
    """

    @functools.wraps(main)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        import_quietly()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return main(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_USER_ERROR
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                place = error.filename or "a file"
                print(f"error: {place}: {error.strerror}; make room", file=sys.stderr)
                return EXIT_USER_ERROR
            if error.filename is None:
                raise
            reason = error.strerror or type(error).__name__
            print(f"error: {error.filename}: {reason}; check the path", file=sys.stderr)
            return EXIT_USER_ERROR
        except UnicodeEncodeError as error:
            found = error.object[max(0, error.start - 200) : error.end + 50]
            if not _ESCAPED.search(found):
                raise
            print(f"error: {found!a} is not UTF-8, which is needed here; rename it",
                  file=sys.stderr)  # fmt: skip
            return EXIT_USER_ERROR
        except MemoryError:
            print("error: there is not enough memory; make the model or its input smaller",
                  file=sys.stderr)  # fmt: skip
            return EXIT_USER_ERROR
        except ModuleNotFoundError as missing:
            explained = explain_missing_package(missing)
            if explained is missing:
                raise
            print(f"error: {explained}", file=sys.stderr)
            return EXIT_USER_ERROR
        except KeyboardInterrupt as interrupt:
            # A closed terminal takes no line; the exit code still tells.
            with contextlib.suppress(OSError):
                print("interrupted", file=sys.stderr)
            if isinstance(interrupt, InterruptedBySignal):
                return interrupt.exit_code
            return EXIT_INTERRUPTED

    return wrapped
