"""What the server accepts, and how it refuses the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the server accepts.

    Attributes:
        body: bytes of a request.
        pixels: of a request's encoded pictures together, by their headers.
        caption: characters of one string.
        items: pictures in a request; no more than ``batch``.
        queue: requests that wait; one more is answered 503.
        batch: pictures that run at once.
        body_seconds: until a connection's first header, and then until each request's body, must
            have come.
        answer_seconds: until the answer must be ready.
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
    """A request that is answered with an error; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
