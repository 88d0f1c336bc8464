"""The page that ``mim_tf.serve`` gives, in a real browser: it edits there, or by the server."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
from driving import CAPTION, READY, downloaded, edit, opened, upload, wait_until_served

from mim_tf import places
from mim_tf.pictures import files

pytestmark = pytest.mark.slow

PREDICT = ":predict"
STAYS = "Your picture stays on this device"


@pytest.fixture(scope="module")
def served(built, litert, editor, tmp_path_factory):
    """Where ``mim_tf.serve --page`` serves the preset, with its LiteRT files beside it."""
    from export.saved_model import export

    base = tmp_path_factory.mktemp("models") / "a bird"
    export(editor, base)
    shutil.copytree(litert, base / places.LITERT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "mim_tf.serve", "--model", str(base), "--page"]
    server = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_until_served(f"{address}readyz", server)
        yield address
    finally:
        server.terminate()
        server.wait()


def predictions(page):
    """The requests for edits from now on, as they come."""
    found: list[str] = []
    page.context.on("request", lambda request: found.append(request.url))
    return lambda: [url for url in found if url.endswith(PREDICT)]


def run_on(page, place):
    page.select_option("#runs-on", place)
    page.wait_for_function(
        "(away) => document.querySelector('#private').classList.contains('away') === away"
        " && document.querySelector('#busy').hidden",
        arg=place == "server",
    )


def test_the_server_edits_like_the_command_and_is_asked_only_then(
    served, browser, editor, picture, tmp_path
):
    original = files.read(picture)
    expected = editor.edit(original, CAPTION, keep_size=True).picture.astype(int)
    assert np.abs(expected - original).max() > 50  # it is edited at all
    with opened(browser, served) as page:  # its address leads to /app/
        assert page.url.split("#")[0] == f"{served}app/"
        asked = predictions(page)
        assert page.inner_text("#private") == STAYS
        upload(page, picture)
        edit(page, CAPTION)
        here = downloaded(page, tmp_path)[1]
        assert page.is_visible("#memory-part") and asked() == []

        run_on(page, "server")
        told = page.inner_text("#private")
        host = served.split("/")[2]
        assert "sends the picture" in told and "64 × 64" in told and told.endswith(host)
        page.wait_for_selector(READY)
        there = downloaded(page, tmp_path)[1]
        assert asked() == [f"{served}v1/models/a%20bird/versions/1:predict"]
        assert page.is_hidden("#memory-part")
        page.locator("#views label:has([value=coarse])").click()
        assert page.inner_text("#facts") == "First stage: 32 × 32 pixels"

        run_on(page, "wasm")
        edit(page, "blue wings")
        assert len(asked()) == 1 and page.inner_text("#private") == STAYS
    for found in (here, there):
        assert np.abs(found.astype(int) - expected).max() <= 2


def test_a_model_that_is_too_large_for_a_browser_starts_on_the_server(served, browser):
    def enlarge(route):
        metadata = route.fetch().json()
        for file in metadata["files"].values():
            file["bytes"] = 30_000_000
        route.fulfill(body=json.dumps(metadata), content_type="application/json")

    with opened(browser, served, routes=[("**/models/*/metadata.json", enlarge)]) as page:
        assert page.input_value("#runs-on") == "server"
        assert "sends the picture" in page.inner_text("#private")
        asked = page.evaluate("performance.getEntriesByType('resource').map(({name}) => name)")
        assert not any(name.endswith((".wasm", ".tflite")) for name in asked)
        run_on(page, "wasm")
        page.wait_for_selector(READY)
        assert page.is_visible("#memory-part") and page.inner_text("#private") == STAYS


def test_a_server_that_fails_gives_one_line_and_the_page_goes_on(served, browser, picture):
    def fail(kind):
        page.unroute(f"**/*{PREDICT}")
        if kind == "unreachable":
            page.route(f"**/*{PREDICT}", lambda route: route.abort())
        elif kind == "silent":
            page.route(f"**/*{PREDICT}", lambda route: None)
        elif kind:
            body = json.dumps({"error": f"reason {kind}\nmore"})
            page.route(f"**/*{PREDICT}", lambda route: route.fulfill(status=kind, body=body))

    told = {
        "unreachable": "The server cannot be reached; nothing was edited.",
        503: "The server refused the edit (503): reason 503",
        404: "The server has another version of the model now; load the page again.",
    }
    with opened(browser, served, told=["Failed to load resource"]) as page:
        upload(page, picture)
        fail("unreachable")
        run_on(page, "server")
        for number, (kind, line) in enumerate(told.items()):
            fail(kind)
            page.fill("#caption", f"{['red', 'blue', 'green'][number]} wings")
            page.wait_for_function(
                "(line) => document.querySelector('#messages').textContent === line", arg=line
            )
            assert page.is_disabled("#download")  # no earlier edit under this sentence's name
        fail(None)
        edit(page, "black wings")
        page.wait_for_selector(READY)
        assert page.locator("#messages .error").count() == 0
        fail("silent")
        with page.expect_request(f"**/*{PREDICT}"):
            page.fill("#caption", "white wings")
        run_on(page, "wasm")  # it does not wait for the server
        page.wait_for_selector(READY)
        assert page.locator("#messages .error").count() == 0


def test_a_static_page_offers_no_server(address, browser):
    with opened(browser, address) as page:
        values = page.eval_on_selector_all("#runs-on option", "all => all.map((o) => o.value)")
    assert values == ["wasm", "webgpu"]
