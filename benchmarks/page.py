"""What an edit costs in a browser: ``python -m benchmarks.page --preset birds-64``.

Serves the built page (``make app``), opens it in Chromium by Playwright, and prints what the
browser loads, how long it takes until the first edit is shown, the time of an edit of the page's
example (the picture's network, and the change put into the picture, without the caption's
network), and the largest memory of the tab's process.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mim_tf.backends.litert import find_files
from mim_tf.errors import UserError, entry_point
from mim_tf.flags import command_parser
from mim_tf.pages import app
from mim_tf.places import find_model

_CAPTION = "a bird with a {} {}"
_COLOURS = ("red", "blue", "green", "yellow", "black")
_PARTS = ("crown", "belly", "tail", "wing")
_READY = "#download:not([disabled])"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("benchmarks.page", "Measure the page in Chromium.", "--preset birds-64")
    parser.add_argument("--preset", metavar="NAME", default="birds-64", help="(birds-64)")
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    files = find_files(find_model(arguments.preset))
    if files is None:
        raise UserError(f"--preset {arguments.preset}: it has no LiteRT files")
    server = app.make_server([app.read_model(files)], 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(_measure(f"http://127.0.0.1:{server.server_port}/"))
    return 0


def _measure(address: str) -> str:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        loaded: list[int] = []
        page.on("requestfinished", lambda one: loaded.append(one.sizes()["responseBodySize"]))
        start = time.perf_counter()
        page.goto(address)
        page.wait_for_selector(_READY)
        cold = time.perf_counter() - start
        captions = [_CAPTION.format(colour, part) for colour in _COLOURS for part in _PARTS]
        edits = [_edit(page, caption) for caption in captions]
        version, memory = browser.version, _peak_memory()
        browser.close()
    return (
        f"Chromium {version}: {sum(loaded) / 1e6:.1f} MB loaded, first edit after {cold:.2f} s, "
        f"{statistics.median(edits):.0f} ms an edit (median of {len(edits)}, fastest "
        f"{min(edits)}), {memory / 1e6:.0f} MB"
    )


def _edit(page: Any, caption: str) -> int:
    """Type a caption, wait until its edit is shown, and read how many milliseconds it took."""
    page.fill("#caption", caption)
    page.wait_for_function(
        "(name) => document.querySelector('#steps [aria-current] span')?.textContent === name"
        " && document.querySelector('#steps [aria-current] canvas')"
        " && document.querySelector('#busy').hidden",
        arg=caption,
    )
    found = re.search(r"edited in (\d+) ms", page.inner_text("body"))
    assert found, "the page does not say how long an edit took"
    return int(found[1])


def _peak_memory() -> int:
    """Bytes of resident memory that the largest of our browser's tabs ever had."""
    peaks = [0]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text()
            status = (folder / "status").read_text()
        except OSError:  # it has ended
            continue
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        if "--type=renderer" in command and peak and _is_ours(int(folder.name)):
            peaks.append(int(peak[1]) * 1024)
    return max(peaks)


def _is_ours(process: int) -> bool:
    """Whether a process descends from this one."""
    while process > 1:
        if process == os.getpid():
            return True
        status = Path(f"/proc/{process}/status").read_text()
        process = int(status.partition("PPid:")[2].split()[0])
    return False


if __name__ == "__main__":
    sys.exit(main())
