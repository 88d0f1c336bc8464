"""Mistakes of the user's, and how every command reports them."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

EXIT_USER_ERROR = 1
EXIT_INTERRUPTED = 130  # what a shell reports for a program ended by SIGINT

Arguments = ParamSpec("Arguments")


class UserError(Exception):
    """A bad configuration, a bad file, a bad argument: what the user can put right.

    `str(error)` is one line that says what is wrong, where, and what to do about it.
    """

    def __init__(self, message: str) -> None:
        # A file name or a codec's own message may hold line breaks; the report stays one line.
        super().__init__(" ".join(str(message).splitlines()))


def entry_point(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Wrap a command's `main(argv) -> exit code` so that all commands end alike.

    A `UserError` becomes `error: ...` on stderr and exit code 1, and so does a file or folder that
    the system refuses; Ctrl-C becomes `interrupted` and 130. Anything else is a defect of the
    program and propagates with its traceback.
    """

    @functools.wraps(main)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_USER_ERROR
        except OSError as error:
            if error.filename is None:
                raise
            reason = error.strerror or type(error).__name__
            print(f"error: {error.filename}: {reason}; check the path", file=sys.stderr)
            return EXIT_USER_ERROR
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return EXIT_INTERRUPTED

    return wrapped
