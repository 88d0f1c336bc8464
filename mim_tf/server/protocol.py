"""Closes HTTP connections on which no whole request header arrives in time."""

from __future__ import annotations

from uvicorn.protocols.http.h11_impl import H11Protocol


def protocol_with_header_timeout(seconds: float) -> type:
    """uvicorn's HTTP protocol, with a limit for the time until the next request's header is there.

    uvicorn itself waits without limit once a part of a header has arrived, and such connections
    count among those that it accepts at the same time.

    Args:
        seconds: from the opening of the connection, and from the end of each answer.
    """

    class ProtocolWithHeaderTimeout(H11Protocol):
        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            self.loop.call_later(seconds, self._close_unless_new_request, None)

        def on_response_complete(self) -> None:
            answered = self.cycle
            super().on_response_complete()
            self.loop.call_later(seconds, self._close_unless_new_request, answered)

        def _close_unless_new_request(self, last_cycle) -> None:
            # uvicorn makes a new cycle when a request's header is complete.
            if self.cycle is last_cycle:
                self.transport.close()

    return ProtocolWithHeaderTimeout
