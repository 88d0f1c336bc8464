"""Connections that ask for nothing do not stay."""

from __future__ import annotations


def impatient(seconds: float) -> type:
    """uvicorn's HTTP protocol, which closes a connection whose next header does not come in time.

    uvicorn itself waits for ever once a part of it came, and such a connection counts as one of
    those it allows at once.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            self.loop.call_later(seconds, self._close_unless_asked, None)

        def on_response_complete(self) -> None:
            answered = self.cycle
            super().on_response_complete()
            self.loop.call_later(seconds, self._close_unless_asked, answered)

        def _close_unless_asked(self, answered) -> None:
            if self.cycle is answered:  # no further request has begun
                self.transport.close()

    return Impatient
