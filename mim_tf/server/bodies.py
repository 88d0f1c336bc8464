"""The bodies of requests: each read in time and within a limit, all of them within another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from mim_tf.server.limits import Limits, RequestError

# So much of each body is not counted: small requests are read whatever larger ones hold.
_FREE = 1 << 20


class Bodies:
    """Reads bodies, and counts what large ones hold of the memory until they are answered.

    Args:
        limits: ``body``, ``flight_body``, ``body_seconds``.

    Attributes:
        held: bytes that large bodies hold, beyond what is free of each.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits, self.held = limits, 0

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """A request's body, for as long as the request is worked on.

        Raises:
            RequestError: 408, it does not arrive in time; 413, it is too large; 503, there are too
                many large ones.
        """
        parts: list[bytes] = []
        size = held = 0
        refusal: RequestError | None = None
        try:
            async for part in self._arriving(request):
                size += len(part)
                refusal = refusal or self._refusal(size, len(part))
                if refusal is None:
                    parts.append(part)
                    counted = _counted(size, len(part))
                    held += counted
                    self.held += counted
                    continue
                parts.clear()
                self.held -= held
                held = 0
                if size > 4 * self._limits.body:
                    # Up to here the rest was read and dropped: most clients read an answer only
                    # after they have sent the whole body.
                    break
            if refusal:
                raise refusal
            body = b"".join(parts)
            parts.clear()
            yield body
        finally:
            self.held -= held

    async def _arriving(self, request: Request) -> AsyncIterator[bytes]:
        end = asyncio.get_running_loop().time() + self._limits.body_seconds
        stream = request.stream()
        try:
            while True:
                async with asyncio.timeout_at(end):
                    part = await anext(stream, None)
                if part is None:
                    return
                yield part
        except TimeoutError:
            raise RequestError(
                408, f"the request did not come within {self._limits.body_seconds:g} seconds"
            ) from None

    def _refusal(self, size: int, part: int) -> RequestError | None:
        """Why a body is refused whose latest part makes it ``size`` bytes long."""
        if size > self._limits.body:
            return RequestError(413, f"the body has more than {self._limits.body} bytes")
        if self.held + _counted(size, part) > self._limits.flight_body:
            return RequestError(
                503,
                f"the bodies of large requests have more than {self._limits.flight_body} bytes; "
                "try again later",
            )
        return None


def _counted(size: int, part: int) -> int:
    """How much of the latest part lies beyond what is free."""
    return max(0, min(part, size - _FREE))
