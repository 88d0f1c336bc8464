"""The page on which models run in the browser: its files, as a server on this machine gives them
and as a static folder for any web host. It needs no TensorFlow.

``models.json`` lists the models, ``models/NAME/`` holds the files of each.
"""

from __future__ import annotations

import json
import mimetypes
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from mim_tf import json_text
from mim_tf.checksums import check_replaceable, check_sums, write_sums_of_all
from mim_tf.errors import UserError
from mim_tf.places import ABOUT, LITERT
from mim_tf.storage import replacing_folder

PAGE = Path(__file__).resolve().parent.parent / "app_files"  # built from web/
_MODELS = "models.json"  # it also tells an earlier export from a folder of something else

Site = dict[str, tuple[Path | bytes, str]]
"""Path below the page's address -> file or content, and its media type."""


@dataclass(frozen=True)
class Model:
    """The LiteRT files of one model that the page asks for.

    Attributes:
        name: in addresses.
        title: what its pictures show, as the user chooses it: "a face".
        captions: some that it can do.
        folder: what ``export.tflite`` wrote.
        metadata: its metadata, where ``files`` names no more than the page needs.
        files: names of the other files that the page needs.
    """

    name: str
    title: str
    captions: tuple[str, ...]
    folder: Path
    metadata: dict
    files: tuple[str, ...]


def read_model(folder: Path) -> Model:
    """The files of a folder that the page needs: of each network in float16, else in float32.

    Where it is ``litert`` of a preset or a run, it is named after that, and ``about.json`` beside
    it, where there is one, tells title and captions.

    Raises:
        UserError: the folder is not what ``export.tflite`` writes, or lacks a file.
    """
    file = folder / "metadata.json"
    try:
        metadata = json_text.read(file)
        listed, vocabulary = metadata["files"], metadata["vocabulary"]
        memories = metadata.get("memories")  # none in a model without memory
        others = [vocabulary] + ([memories["file"]] if memories else [])
    except FileNotFoundError:
        raise UserError(f"{folder} is no folder of export.tflite: no metadata.json") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{file} is not what export.tflite writes; export again") from None
    networks = []
    for kind in ("text", "image"):
        names = [name for name in (f"{kind}_float16.tflite", f"{kind}.tflite") if name in listed]
        if not names:
            raise UserError(f"{file} lists no {kind}_float16.tflite; export again")
        networks.append(names[0])
    for name in (*networks, *others):
        if Path(name).name != name or not (folder / name).is_file():
            raise UserError(f"{folder} has no file {name}; export again")
    check_sums(folder, [file.name, *networks, *others])
    needed = {**metadata, "files": {name: listed[name] for name in networks}}
    owner = folder.resolve()
    owner = owner.parent if owner.name == LITERT else owner
    title, captions = _about(owner)
    return Model(owner.name, title, captions, folder, needed, (*networks, *others))


def _about(owner: Path) -> tuple[str, tuple[str, ...]]:
    """The title of a preset or a run, and captions that it can do."""
    file = owner / ABOUT
    try:
        about = json_text.read(file)
        return str(about["title"]), tuple(map(str, about["captions"]))
    except FileNotFoundError:
        return owner.name, ()
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{file} must hold a title and a list of captions") from None


def site(models: Sequence[Model]) -> Site:
    """All that a browser may ask for.

    Args:
        models: of different names; the page begins with the first.

    Raises:
        UserError: the page has not been built.
    """
    if not (PAGE / "index.html").is_file():
        raise UserError(
            f"the page is not built: {PAGE} has no index.html; run: make app (in a clone of the "
            "project; install from there)"
        )
    found: dict[str, Path | bytes] = {
        path.relative_to(PAGE).as_posix(): path for path in PAGE.rglob("*") if path.is_file()
    }
    for model in models:
        place = f"models/{model.name}"
        found |= {f"{place}/{name}": model.folder / name for name in model.files}
        found[f"{place}/metadata.json"] = _json(model.metadata)
    found[_MODELS] = _json(
        [{"name": one.name, "title": one.title, "captions": one.captions} for one in models]
    )
    return {name: (content, _media_type(name)) for name, content in found.items()}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _media_type(name: str) -> str:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if "text" in kind else kind


def export(models: Sequence[Model], output: Path) -> None:
    """Write the page and its models as a static folder, whole or not at all.

    Args:
        models: as for :func:`site`.
        output: replaced if it holds an earlier export.

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    files = site(models)
    check_replaceable(output, _MODELS, "--export")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(output) as whole:
            for name, (content, _) in files.items():
                target = whole / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    target.write_bytes(content)
                else:
                    shutil.copyfile(content, target)
            write_sums_of_all(whole)
    except OSError as error:
        raise UserError(
            f"--export {output}: cannot be written ({error.strerror or error})"
        ) from None


def make_server(models: Sequence[Model], port: int) -> ThreadingHTTPServer:
    """A server of the page on this machine's loopback address.

    Args:
        models: as for :func:`site`.
        port: 0 takes any free one.

    Raises:
        UserError: the port cannot be had, or the page is not built.
    """
    files = site(models)
    try:
        return _Server(("127.0.0.1", port), partial(_Handler, files))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--port {port}: {reason}; choose another") from None


class _Server(ThreadingHTTPServer):
    allow_reuse_address = sys.platform != "win32"  # where it would let two servers share a port
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a browser that went away
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the files of a site, and for nothing else."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def __init__(self, files: Site, *args) -> None:
        self.files = files
        super().__init__(*args)

    def do_GET(self) -> None:  # noqa: N802  the name that http.server calls
        name = unquote(self.path.partition("?")[0]).removeprefix("/") or "index.html"
        if name not in self.files:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content, kind = self.files[name]
        try:
            data = content if isinstance(content, bytes) else content.read_bytes()
        except OSError:  # removed or built anew since the start
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args) -> None:
        """Requests are not told: they would bury the address."""


# Windows' registry may give script files another type, with which no browser runs them.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/wasm", ".wasm")
