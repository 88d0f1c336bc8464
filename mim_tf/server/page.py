"""A page beside the model: files that the server hands out, and that ask it for edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from mim_tf.server.model import Model

PATH = "/app/"

Files = Mapping[str, tuple[Path | bytes, str]]
"""Path below :data:`PATH` -> file or content, and its media type."""
MakePage = Callable[[Model], Files]

_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


def answer_file(files: Files, path: str) -> Response:
    """The file of a path; no other file can be named.

    Raises:
        HTTPException: 404, there is none.
    """
    content, media_type = files.get(path or "index.html", (None, ""))
    if isinstance(content, Path) and content.is_file():
        return FileResponse(content, headers=_HEADERS, media_type=media_type)
    if not isinstance(content, bytes):  # not there, or removed or built anew since
        raise HTTPException(404)
    return Response(content, headers=_HEADERS, media_type=media_type)
