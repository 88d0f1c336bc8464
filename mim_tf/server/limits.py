"""The limits of what the server accepts, and the error for what it refuses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of what the server accepts.

    Attributes:
        body: bytes in a request's body.
        pixels: in all encoded pictures of a request together, by their headers.
        caption: characters in a caption.
        items: pictures in a request; at most ``batch``.
        queue: requests that may wait; a further request is answered with 503.
        batch: pictures that run at once.
        body_seconds: time until the header of a connection's next request, and then until the
            request's body, must have arrived.
        answer_seconds: time until the answer must be ready.
    """

    body: int = 16 << 20
    pixels: int = 25_000_000
    caption: int = 2000
    items: int = 8
    queue: int = 64
    batch: int = 8
    body_seconds: float = 30.0
    answer_seconds: float = 60.0


class RequestError(Exception):
    """A request is answered with an error.

    Args:
        status: the HTTP status.
        message: what is wrong and what to do, in one line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
