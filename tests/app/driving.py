"""What the tests of the page in a browser share: to open it, to edit, to take the result."""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from urllib.parse import urlsplit

from mim_tf.pages import app as page_files
from mim_tf.pictures import files

CAPTION = "a bird with red wings and a white belly"
READY = "#download:not([disabled])"


def wait_until_served(address: str, server: subprocess.Popen) -> None:
    """Wait until a server that was just started answers at an address."""
    for _ in range(600):
        assert server.poll() is None
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"nobody answers at {address}")


@contextmanager
def serving(models):
    """The address at which ``mim_tf.app`` serves its page with these models."""
    server = page_files.make_server(models, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def opened(browser, address, ready=READY, told=(), routes=(), **options):
    """The page once it has edited its first example, held to: no error, no other address.

    Args:
        ready: a selector that shows that it has.
        told: parts of errors that the browser may write to its console.
        routes: pairs of a pattern of addresses and what answers them.
        options: of the browser's context.
    """
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(60_000)
    for pattern, answer in routes:
        page.route(pattern, answer)
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    context.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(address)
        page.wait_for_selector(ready)
        yield page
        own = urlsplit(address).netloc
        outside = [url for url in asked if urlsplit(url).scheme not in ("blob", "data")]
        assert [url for url in outside if urlsplit(url).netloc != own] == []
        assert len(outside) > 5  # they are counted at all
        assert [error for error in errors if not any(part in error for part in told)] == []
    finally:
        context.close()


def upload(page, path):
    name = path.name
    page.set_input_files("#file", str(path))
    page.wait_for_function(
        "() => document.querySelector('#busy').hidden && "
        "![...document.querySelectorAll('#examples button')]"
        ".some((button) => button.ariaPressed === 'true')"
    )
    return name


def edit(page, caption):
    """Type a caption, and wait until the page shows its edit."""
    page.fill("#caption", caption)
    wait_for_step(page, caption)


def wait_for_step(page, name):
    """Wait until the page shows the step of this caption, or of the picture where it has none."""
    page.wait_for_function(
        "(name) => document.querySelector('#steps [aria-current] span')?.textContent"
        " === name && document.querySelector('#steps [aria-current] canvas')"
        " && document.querySelector('#busy').hidden",
        arg=name,
    )


def downloaded(page, tmp_path):
    with page.expect_download() as found:
        page.click("#download")
    path = tmp_path / "downloaded.png"
    found.value.save_as(path)
    return found.value.suggested_filename, files.read(path)
