"""The ASGI application: paths, limits of a request, errors as JSON."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from mim_tf.server.batcher import Batcher
from mim_tf.server.limits import Limits, RequestError
from mim_tf.server.messages import answer, parse
from mim_tf.server.model import Model


def application(model: Model, limits: Limits):
    """The ASGI application."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    batcher = Batcher(model, limits)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.worker = asyncio.create_task(batcher.work())
        yield
        app.state.worker.cancel()

    def check_model(request: Request) -> None:
        name, version = request.path_params["name"], request.path_params.get("version")
        if name != model.name or version not in (None, model.version):
            wanted = f"Specific({name}, {version})" if version else f"Latest({name})"
            raise RequestError(404, f"Servable not found for request: {wanted}")

    async def body_of(request: Request) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size <= limits.body:
                        parts.append(part)
                    elif size > 4 * limits.body:
                        break  # up to there it is read and dropped, so that the client hears why
        except TimeoutError:
            raise RequestError(
                408, f"the request did not come within {limits.body_seconds:g} seconds"
            ) from None
        if size > limits.body:
            raise RequestError(413, f"the body has more than {limits.body} bytes")
        return b"".join(parts)

    async def until_gone(request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async def predict(request: Request) -> Response:
        check_model(request)
        body = await body_of(request)
        call = await asyncio.to_thread(parse, body, model, limits)
        result = asyncio.ensure_future(batcher.submit(call))
        gone = asyncio.ensure_future(until_gone(request))
        try:
            await asyncio.wait({result, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not result.done():  # nobody waits for the answer any more
                return Response(status_code=499)
            outputs = result.result()
        finally:
            gone.cancel()
            result.cancel()
        return JSONResponse(await asyncio.to_thread(answer, outputs, call.rows))

    async def status(request: Request) -> Response:
        check_model(request)
        state = {
            "version": model.version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return JSONResponse({"model_version_status": [state]})

    async def metadata(request: Request) -> Response:
        check_model(request)
        return JSONResponse(model.metadata())

    async def health(request: Request) -> Response:
        if request.app.state.worker.done():
            return JSONResponse({"status": "the model's worker has ended"}, 500)
        return JSONResponse({"status": "ok"})

    async def refused(_, error: Exception) -> Response:
        assert isinstance(error, RequestError)
        return JSONResponse({"error": str(error)}, error.status)

    async def gone(_request, _error) -> Response:
        return Response(status_code=499)

    async def unknown(_, error: Any) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code)

    async def defect(_request, _error) -> Response:
        return JSONResponse({"error": "internal error; the server's log tells more"}, 500)

    routes = []
    for prefix in ("/v1/models/{name}", "/v1/models/{name}/versions/{version}"):
        routes += [
            Route(f"{prefix}:predict", predict, methods=["POST"]),
            Route(f"{prefix}/metadata", metadata),
            Route(prefix, status),
        ]
    return Starlette(
        routes=[*routes, Route("/healthz", health)],
        lifespan=lifespan,
        exception_handlers={
            RequestError: refused,
            ClientDisconnect: gone,
            HTTPException: unknown,
            500: defect,
        },
    )
