"""Keeps connections that send nothing, or send it slowly, from shutting other clients out."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from mim_tf.server.limits import Limits


class Connections:
    """The open connections of a server.

    Attributes:
        open: all of them.
        waiting: those whose client has not sent its next request whole; the keys stand in the
            order in which the server began to wait.
    """

    def __init__(self) -> None:
        self.open: set[GuardedProtocol] = set()
        self.waiting: dict[GuardedProtocol, None] = {}

    def add(self, newcomer: GuardedProtocol, limits: Limits) -> bool:
        """Take a new connection; where a limit leaves no room, close the longest waiting one.

        Returns:
            False where there is no room, because every connection is being answered.
        """
        of_client = [each for each in self.open if each.address == newcomer.address]
        if len(of_client) >= limits.client_connections:
            closable = [each for each in self.waiting if each.address == newcomer.address]
        elif len(self.open) >= limits.connections:
            closable = list(self.waiting)
        else:
            self.open.add(newcomer)
            return True
        if not closable:
            return False
        self.remove(closable[0])
        closable[0].transport.abort()
        self.open.add(newcomer)
        return True

    def remove(self, connection: GuardedProtocol) -> None:
        """Forget a connection."""
        self.open.discard(connection)
        self.waiting.pop(connection, None)

    def start_waiting(self, connection: GuardedProtocol) -> None:
        """From now on the client owes a request."""
        self.waiting.pop(connection, None)  # so that it moves to the end
        self.waiting[connection] = None


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with limits on connections and on the time for a header.

    uvicorn itself waits without limit once a part of a header has arrived, and its own limit on
    connections (``limit_concurrency``) refuses every newcomer, health checks included, while idle
    connections fill it. Here a newcomer takes the place of the connection whose client has left
    the server waiting longest for a header or a body, among those of the same address if that
    address has its full number, else among all.

    Use a subclass made by :func:`guarded_protocol`, which sets the attributes.

    Attributes:
        limits: ``connections``, ``client_connections``, ``header_seconds``, ``shutdown_seconds``.
        connections_of_server: shared by all instances.
        address: the client's address, without its port.
    """

    limits: Limits
    connections_of_server: Connections
    address: str = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if not self.connections_of_server.add(self, self.limits):
            transport.close()
            return
        self._await_header(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_server.remove(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        working = self.cycle is not None and not self.cycle.response_complete
        if working and not self.cycle.more_body:
            self.connections_of_server.waiting.pop(self, None)

    def on_response_complete(self) -> None:
        if not self.transport.is_closing():
            self._await_header(self.cycle)
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close now if idle, else after the answer, but no later than ``shutdown_seconds``."""
        super().shutdown()
        self.loop.call_later(self.limits.shutdown_seconds, self.transport.close)

    def _await_header(self, last_cycle) -> None:
        self.connections_of_server.start_waiting(self)
        self.loop.call_later(self.limits.header_seconds, self._close_unless_new_request, last_cycle)

    def _close_unless_new_request(self, last_cycle) -> None:
        # uvicorn makes a new cycle when a request's header is complete.
        if self.cycle is last_cycle:
            self.transport.close()


def guarded_protocol(limits: Limits) -> type[GuardedProtocol]:
    """The protocol class for one server, whose connections share their limits."""
    return type(
        "Protocol", (GuardedProtocol,), {"limits": limits, "connections_of_server": Connections()}
    )
