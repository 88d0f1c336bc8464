"""Connections that never ask for anything do not stay."""

from __future__ import annotations


def impatient(seconds: float) -> type:
    """uvicorn's HTTP protocol, which closes a connection whose first header does not come in time.

    uvicorn itself waits for ever, and such a connection counts as one of those it allows at once.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            self.loop.call_later(seconds, self._close_unless_asked)

        def _close_unless_asked(self) -> None:
            if self.cycle is None:  # no request has begun
                self.transport.close()

    return Impatient
