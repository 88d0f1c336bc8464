"""The ASGI application: TensorFlow Serving's paths, and errors as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from mim_tf.errors import UserError
from mim_tf.server import monitoring, page
from mim_tf.server.batcher import Batcher
from mim_tf.server.bodies import Bodies
from mim_tf.server.door import NO_TOKEN, Access, Door
from mim_tf.server.limits import Limits, RequestError
from mim_tf.server.messages import Call, answer, parse
from mim_tf.server.model import Model
from mim_tf.server.page import Files, MakePage
from mim_tf.server.versions import Follower

NO_LABELS: Mapping[str, str] = MappingProxyType({})

# nginx's status for a client that closed the connection before the answer; no client sees it.
_CLIENT_CLOSED_REQUEST = 499


def application(
    model: Model,
    limits: Limits,
    access: Access = NO_TOKEN,
    following: Following | None = None,
    labels: Mapping[str, str] = NO_LABELS,
    make_page: MakePage | None = None,
) -> Starlette:
    """The ASGI application that serves a model.

    Args:
        model: the version that is served at first.
        limits: what a request may hold.
        access: who may ask.
        following: how newer versions are found; None serves the first for ever.
        labels: names of versions, each for one number.
        make_page: gives the files of a page beside a version; None for no page.

    Raises:
        UserError: the page cannot be made.
    """
    handlers = _Handlers(model, limits, following, labels, make_page)
    routes = []
    if make_page:
        routes += [
            Route(f"{page.PATH}{{path:path}}", handlers.page),
            Route("/", lambda request: RedirectResponse(page.PATH[1:])),
        ]
    base = "/v1/models/{name}"
    for prefix in (base, f"{base}/versions/{{version}}", f"{base}/labels/{{label}}"):
        routes += [
            Route(f"{prefix}:predict", handlers.predict, methods=["POST"]),
            Route(f"{prefix}/metadata", handlers.metadata),
            Route(prefix, handlers.status),
        ]
    return Starlette(
        routes=[
            *routes,
            Route("/healthz", handlers.health),
            Route("/readyz", handlers.readiness),
            Route(monitoring.PATH, handlers.metrics),
        ],
        lifespan=handlers.lifespan,
        middleware=[
            Middleware(monitoring.Monitor, requests=handlers.requests),
            Middleware(Door, access=access),
        ],
        exception_handlers={
            RequestError: _on_request_error,
            ClientDisconnect: _on_disconnect,
            HTTPException: _on_http_exception,
            500: _on_defect,
        },
    )


@dataclass(frozen=True)
class Following:
    """How newer versions of the model are found.

    Attributes:
        follower: loads them.
        seconds: between two looks at the folder.
    """

    follower: Follower
    seconds: float


class _Handlers:
    """The functions that answer requests.

    Args:
        model: the version that is served at first.
        limits: what a request may hold.
        following: how newer versions are found, or None.
        labels: names of versions.
        make_page: gives the page of a version, or None.

    Attributes:
        requests: what was answered.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits,
        following: Following | None,
        labels: Mapping[str, str],
        make_page: MakePage | None,
    ) -> None:
        self._model, self._limits, self._following = model, limits, following
        self._labels, self.requests = labels, monitoring.Requests()
        self._make_page = make_page or (lambda model: {})
        self._page: Files = self._make_page(model)
        self._page_of, self._told = model, ""
        # Two that run at the same time, so that no small request waits for a large one.
        self._small, self._large = Batcher(limits), Batcher(limits)
        self._bodies = Bodies(limits)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Run the batchers' workers, and follow the folder, as long as the application runs."""
        batchers = (self._small, self._large)
        app.state.workers = [asyncio.create_task(batcher.work()) for batcher in batchers]
        tasks = [*app.state.workers]
        if self._following:
            tasks.append(asyncio.create_task(self._follow(self._following)))
        yield
        for task in tasks:
            task.cancel()

    async def _follow(self, following: Following) -> None:
        """Serve the newest version from when it is loaded; the old one answers what waits."""
        while True:
            await asyncio.sleep(following.seconds)
            try:
                newer = await asyncio.to_thread(following.follower.another, self._model)
                if newer:
                    self._model, self._page, self._told = newer, {}, ""
                    print(f"serving version {newer.version} from now on", file=sys.stderr)
                if self._page_of is not self._model:  # also where it could not be made last time
                    self._page = await asyncio.to_thread(self._make_page, self._model)
                    self._page_of = self._model
            except Exception as error:  # whatever a folder holds, the served version is served on
                known = isinstance(error, UserError)
                line = f"error: {error if known else UserError(f'{type(error).__name__}: {error}')}"
                if line != self._told:
                    print(line, file=sys.stderr)
                self._told = line

    async def predict(self, request: Request) -> Response:
        """``POST .../models/<name>:predict``."""
        self._served(request)  # before the body is read
        async with self._bodies.read(request) as body:
            call = await asyncio.to_thread(parse, body, self._served(request), self._limits)
            return await self._answer(call, request)

    async def _answer(self, call: Call, request: Request) -> Response:
        batcher = self._small if call.pixels <= self._limits.small_pixels else self._large
        result = asyncio.ensure_future(batcher.submit(call))
        disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
        try:
            await asyncio.wait({result, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            if not result.done():  # the client has gone, so nobody would read the answer
                return Response(status_code=_CLIENT_CLOSED_REQUEST)
            outputs = result.result()
        finally:
            disconnect.cancel()
            result.cancel()
        return JSONResponse(await asyncio.to_thread(answer, outputs, row_format=call.row_format))

    async def page(self, request: Request) -> Response:
        """``GET /app/...``: a file of the page."""
        return page.answer_file(self._page, request.path_params["path"])

    async def status(self, request: Request) -> Response:
        """``GET .../models/<name>``: the version and that it is available."""
        state = {
            "version": self._served(request).version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return JSONResponse({"model_version_status": [state]})

    async def metadata(self, request: Request) -> Response:
        """``GET .../models/<name>/metadata``: the signatures."""
        return JSONResponse(self._served(request).metadata())

    async def health(self, request: Request) -> Response:
        """``GET /healthz``: 200 while the batchers' workers run, else 500."""
        if _ended(request):
            return JSONResponse({"status": "a worker of the model has ended"}, 500)
        return JSONResponse({"status": "ok"})

    async def readiness(self, request: Request) -> Response:
        """``GET /readyz``: 200 if a small request would be taken now, else 503."""
        if _ended(request) or self._small.full:
            return JSONResponse({"status": "busy: new requests would be refused"}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """``GET /monitoring/prometheus/metrics``."""
        gauges = {
            ":mim_tf:serving:model_version": int(self._model.version),
            ":mim_tf:serving:requests_waiting": self._small.waiting + self._large.waiting,
            ":mim_tf:serving:pixels_in_flight": self._small.pixels + self._large.pixels,
            ":mim_tf:serving:body_bytes_in_flight": self._bodies.held,
        }
        text = self.requests.text(self._model.name, gauges)
        return Response(text, media_type=monitoring.CONTENT_TYPE)

    def _served(self, request: Request) -> Model:
        """The served version.

        Raises:
            RequestError: 404, the path names another model or version.
        """
        name, version = request.path_params["name"], request.path_params.get("version")
        label = request.path_params.get("label")
        if label is not None:
            version = self._labels.get(label)
            if version is None:
                raise RequestError(404, f"Unrecognized servable version label: {label[:80]}")
        if name != self._model.name or version not in (None, self._model.version):
            wanted = f"Specific({name}, {version})" if version else f"Latest({name})"
            raise RequestError(404, f"Servable not found for request: {wanted}")
        return self._model


def _ended(request: Request) -> bool:
    """Whether a worker of the application has ended, by a defect."""
    return any(worker.done() for worker in request.app.state.workers)


async def _wait_for_disconnect(request: Request) -> None:
    """Return when the client closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _on_request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return JSONResponse({"error": str(error)}, error.status)


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _on_http_exception(_request: Request, error: Any) -> Response:
    """Starlette's own errors: unknown paths and methods."""
    return JSONResponse({"error": error.detail}, error.status_code)


async def _on_defect(_request: Request, _error: Exception) -> Response:
    """Any other exception; Starlette writes its traceback to the log."""
    return JSONResponse({"error": "internal error; the server's log tells more"}, 500)
