"""The limits of what the server accepts, and the error for what it refuses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of what the server accepts.

    Attributes:
        body: bytes in a request's body.
        flight_body: of them, in all requests together until they are answered, but for the first
            2**20 of each; a request that would exceed it is answered with 503.
        pixels: in all encoded pictures of a request together, by their headers.
        small_pixels: a request with at most so many waits for small ones only; larger ones wait
            and run apart, and what follows for all requests holds for both kinds.
        flight_pixels: in the pictures of all requests that wait or run; a request that would
            exceed it is answered with 503. Bounds the memory of decoded pictures.
        caption: characters in a caption.
        items: pictures in a request; at most ``batch``.
        queue: requests that may wait; a further request is answered with 503.
        batch: pictures that run at once.
        connections: connections that are open at once.
        client_connections: of them, those of one client's address. Where a limit is reached, a
            new connection takes the place of the one that has waited longest for its request;
            where none waits, all requests but health checks are answered with 503.
        header_seconds: time until the header of a connection's next request must have arrived.
        body_seconds: time from there until the request's body must have arrived.
        answer_seconds: time until the answer must be ready, and again until it must be taken.
        shutdown_seconds: time until requests in flight are given up when the server is stopped.
    """

    body: int = 16 << 20
    flight_body: int = 128 << 20
    pixels: int = 25_000_000
    small_pixels: int = 1_000_000
    flight_pixels: int = 50_000_000
    caption: int = 2000
    items: int = 8
    queue: int = 64
    batch: int = 8
    connections: int = 512
    client_connections: int = 128
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    answer_seconds: float = 60.0
    shutdown_seconds: float = 10.0


_LONGEST = 2000  # characters of an error


class RequestError(Exception):
    """A request is answered with an error.

    Args:
        status: the HTTP status.
        message: what is wrong and what to do; what it quotes of the request is made one line.
    """

    def __init__(self, status: int, message: str) -> None:
        line = " ".join(message.splitlines())
        super().__init__(line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ...")
        self.status = status
