"""The page while several things are on their way: what was asked for last is what comes of it."""

from __future__ import annotations

import numpy as np
import pytest
from driving import READY, edit, opened, upload

from mim_tf.pictures import files

pytestmark = pytest.mark.slow

TYPE = """(text) => {
    const caption = document.querySelector("#caption");
    caption.value = text;
    caption.dispatchEvent(new Event("input", { bubbles: true }));
}"""


def click(page, *selectors):
    """Click in one task of the page, so that nothing can be done in between."""
    page.evaluate(
        "(all) => { for (const one of all) document.querySelector(one).click() }", list(selectors)
    )


def test_an_edit_that_is_not_the_newest_is_neither_saved_nor_edited_on(
    address, browser, picture, tmp_path
):
    files.write(tmp_path / "wide.png", np.pad(files.read(picture), ((0, 0), (20, 20), (0, 0))))
    saved: list[str] = []
    with opened(browser, address) as page:
        page.on("download", lambda download: saved.append(download.suggested_filename))
        upload(page, picture)
        edit(page, "red wings")
        page.evaluate(TYPE, "green wings")
        click(page, "#download", "#continue")
        page.wait_for_selector(READY)
        upload(page, tmp_path / "wide.png")
        page.wait_for_selector(READY)
        steps = page.locator("#steps li").count()
        click(page, "#undo", "#download", "#continue")  # of another size
        page.wait_for_selector(READY)
        click(page, "#redo", "#download", "#continue")
        page.wait_for_selector(READY)
        assert page.locator("#steps li").count() == steps
        assert saved == []
        with page.expect_download():
            page.click("#download")
        assert saved == ["wide-green-wings.png"]
