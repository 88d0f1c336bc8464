"""The page's address: a link that is opened in the page itself, and browsers that limit changes."""

from __future__ import annotations

import pytest
from driving import READY, edit, opened, upload, wait_for_step

pytestmark = pytest.mark.slow


def test_a_link_that_is_opened_in_the_page_is_followed(address, browser, picture):
    with opened(browser, address) as page:
        upload(page, picture)
        page.evaluate("location.hash = '#text=a+blue+tail&strength=0.5&view=alpha'")
        wait_for_step(page, "a blue tail")
        assert page.input_value("#caption") == "a blue tail"
        assert page.input_value("#strength") == "0.5"
        assert page.is_visible("#overlay")
        assert "305 × 224" in page.locator("#before").evaluate("c => `${c.width} × ${c.height}`")
        page.evaluate("location.hash = '#text=red+wings&example=lake'")
        page.wait_for_selector("[data-name=lake][aria-pressed=true]")
        page.wait_for_selector(READY)
        assert page.input_value("#caption") == "red wings"
        assert page.input_value("#strength") == "1"
        page.evaluate("location.hash = '#caption'")  # as the skip link
        page.wait_for_timeout(500)
        assert page.input_value("#caption") == "red wings"


def test_a_browser_that_refuses_another_address_edits_and_copies_the_link(address, browser):
    with opened(browser, address) as page:
        page.evaluate(
            """() => {
                history.replaceState = () => { throw new DOMException("", "SecurityError") };
                navigator.clipboard.writeText = async (text) => { window.copied = text };
            }"""
        )
        edit(page, "a pink crown")
        edit(page, "a green tail")
        page.wait_for_selector(READY)
        page.click("#share")
        page.wait_for_function("() => window.copied")
        assert "text=a+green+tail" in page.evaluate("window.copied")


def test_the_address_changes_once_a_second(address, browser):
    with opened(browser, address) as page:
        page.wait_for_timeout(1100)
        page.evaluate(
            """() => {
                const replace = history.replaceState.bind(history);
                window.changes = 0;
                history.replaceState = (...all) => { window.changes += 1; replace(...all) };
            }"""
        )
        page.evaluate(
            """() => {
                for (const view of ["alpha", "coarse", "compare", "alpha", "fine"]) {
                    document.querySelector(`#views [value=${view}]`).click();
                }
            }"""
        )
        page.wait_for_url("**view=fine**")
        assert page.evaluate("window.changes") == 2  # at once, and the last of what followed
