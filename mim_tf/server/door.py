"""What a request must show before anything of its body is read: framing, host and token."""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# Probes name a machine by any address of it and hold no token; the answers tell no secret.
PROBES = ("/healthz", "/readyz")

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(:[0-9]*)?")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        hosts: names that the ``Host`` header may have, besides those of the loopback interface
            and the address at which the request arrived; ``*`` allows any.
        token: what ``Authorization: Bearer ...`` must hold; None asks for nothing.
    """

    hosts: tuple[str, ...] = ()
    token: str | None = None


NO_TOKEN = Access()


class Door:
    """ASGI middleware that refuses requests by their header, and closes their connection.

    400: both ``Content-Length`` and ``Transfer-Encoding`` (request smuggling; RFC 9112, section
    6.1), or a ``Host`` that is not allowed (a web page could otherwise reach a server on its
    reader's own machine, by a name that resolves to 127.0.0.1). 401: the token is missing or wrong.
    403: what a web page of another site sends; it could not read the answer, but fill the queue.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            return refuse(400, "send either Content-Length or Transfer-Encoding, not both")
        if scope["path"] in PROBES:
            return None
        host = headers.get("host", "")
        if not self._is_allowed(host, scope):
            return refuse(
                400, f"the host {host[:80]!r} is not allowed; start the server with --allowed-host"
            )
        if "*" not in self._access.hosts and _is_of_another_site(scope, headers, host):
            return refuse(403, "pages of other sites may not ask this server")
        if self._access.token is not None:
            given = headers.get("authorization", "")
            wanted = f"Bearer {self._access.token}"
            if not hmac.compare_digest(given.encode(), wanted.encode()):
                return refuse(401, "send the server's token as 'Authorization: Bearer TOKEN'")
        return None

    def _is_allowed(self, header: str, scope: Scope) -> bool:
        """Whether the ``Host`` header has an allowed name, with any port."""
        if "*" in self._access.hosts:
            return True
        found = _HOST.fullmatch(header)
        if not found:
            return False
        host = found[1].strip("[]").lower()
        arrived_at = scope["server"][0] if scope.get("server") else None
        allowed = (*_LOOPBACK, *self._access.hosts, arrived_at)
        return host in {name.strip("[]").lower() for name in allowed if name}


def _is_of_another_site(scope: Scope, headers: Headers, host: str) -> bool:
    """Whether a page of another site makes a browser ask for work; links to a page are no work."""
    if scope["method"] in ("GET", "HEAD"):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:  # behind a proxy the host may be another than the browser's
        return site == "cross-site"
    origin = headers.get("origin")
    return origin is not None and origin.rpartition("//")[2] != host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def refuse(status: int, message: str) -> JSONResponse:
    """An error after which the connection is closed: its request may not have come whole."""
    headers = {"connection": "close"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": message}, status, headers)
