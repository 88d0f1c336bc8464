"""Keeps connections that send nothing, or send or take it slowly, from shutting others out."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from mim_tf.server.door import PROBES, refuse
from mim_tf.server.limits import Limits


class Connections:
    """The open connections of a server.

    Attributes:
        open: all of them.
        waiting: those whose client has not sent its next request whole; the keys stand in the
            order in which the server began to wait. The others are being answered.
    """

    def __init__(self) -> None:
        self.open: set[GuardedProtocol] = set()
        self.waiting: dict[GuardedProtocol, None] = {}

    def make_room(self, newcomer: GuardedProtocol, limits: Limits) -> None:
        """Where there are more connections than a limit allows, close the longest waiting one."""
        others = [each for each in self.waiting if each is not newcomer]
        if len(_of(newcomer.address, self.open)) > limits.client_connections:
            closable = _of(newcomer.address, others)
        elif len(self.open) > limits.connections:
            closable = others
        else:
            return
        for longest in closable[:1]:
            self.remove(longest)
            longest.transport.abort()

    def crowded(self, asking: GuardedProtocol, limits: Limits) -> bool:
        """Whether as many other requests are being answered as there may be connections."""
        answered = self.open - self.waiting.keys() - {asking}
        of_client = _of(asking.address, answered)
        return len(of_client) >= limits.client_connections or len(answered) >= limits.connections

    def remove(self, connection: GuardedProtocol) -> None:
        """Forget a connection."""
        self.open.discard(connection)
        self.waiting.pop(connection, None)

    def start_waiting(self, connection: GuardedProtocol) -> None:
        """From now on the client owes a request."""
        self.waiting.pop(connection, None)  # so that it moves to the end
        self.waiting[connection] = None


def _of(address: str, connections) -> list[GuardedProtocol]:
    return [each for each in connections if each.address == address]


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with limits on connections and on the time of what clients owe.

    uvicorn itself waits without limit once a part of a header has arrived, and for a client that
    takes no answer; its own limit on connections (``limit_concurrency``) refuses every newcomer,
    health checks included, while idle connections fill it. Here a newcomer takes the place of the
    connection whose client has left the server waiting longest for a header or a body, among those
    of the same address if that address has its full number, else among all. Where all of them are
    being answered, it is told so by 503, but for health checks, which are always answered.

    Use a subclass made by :func:`guarded_protocol`, which sets the attributes.

    Attributes:
        limits: ``connections``, ``client_connections``, ``header_seconds``, ``answer_seconds``,
            ``shutdown_seconds``.
        connections_of_server: shared by all instances.
        address: the client's address, without its port.
    """

    limits: Limits
    connections_of_server: Connections
    address: str = ""
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # so that pause_writing tells of any answer not taken
        self.address = self.client[0] if self.client else ""
        self._application, self.app = self.app, self._answer
        self.connections_of_server.open.add(self)
        self._await_header(None)
        # The event loop accepts many connections before it reads from them: none is closed before
        # it was looked whether it has sent its request at once, as health checks do.
        self.loop.call_soon(self.loop.call_soon, self._make_room)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_server.remove(self)
        self.resume_writing()
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

    def pause_writing(self) -> None:
        super().pause_writing()
        self._untaken = self.loop.call_later(self.limits.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._untaken:
            self._untaken.cancel()

    def shutdown(self) -> None:
        """Close now if idle, else after the answer, but no later than ``shutdown_seconds``."""
        super().shutdown()
        self.loop.call_later(self.limits.shutdown_seconds, self.transport.close)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._application
        if scope["path"] not in PROBES and self.connections_of_server.crowded(self, self.limits):
            answer = refuse(503, "too many requests are being answered; try again later")
        await answer(scope, receive, send)

    def _make_room(self) -> None:
        self.connections_of_server.make_room(self, self.limits)

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
