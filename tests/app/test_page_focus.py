"""The page for those who do not see it, or have no mouse: where the focus stays, what is read."""

from __future__ import annotations

import pytest
from driving import READY, edit, opened, wait_for_step

pytestmark = pytest.mark.slow

RING = "(id) => getComputedStyle(document.getElementById(id)).outlineStyle"


def test_the_focus_stays_where_the_page_builds_its_buttons_anew(address, browser):
    with opened(browser, address) as page:
        edit(page, "red wings")
        page.press("#caption", "Enter")
        edit(page, "blue wings")
        page.locator("#steps button").nth(1).focus()
        page.keyboard.press("Enter")
        wait_for_step(page, "red wings")
        focused = page.locator("#steps :focus")
        assert focused.get_attribute("aria-current") == "step"
        assert "red wings" in focused.inner_text()
        page.focus("#undo")
        page.keyboard.press("Enter")  # to the first step: undo can do no more
        page.wait_for_selector("#redo:focus")
        page.fill("#caption", "orange wings")
        page.get_by_role("button", name="Edit anyway").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(READY)
        assert page.evaluate("document.activeElement.id") == "caption"


def test_the_button_for_files_shows_that_it_has_the_focus(address, browser):
    with opened(browser, address) as page:
        edit(page, "red wings")
        page.focus("#undo")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.id") == "file"
        assert page.evaluate(RING, "choose") == "solid"
        assert page.evaluate(RING, "undo") == "none"


def test_the_picture_is_named_by_what_it_shows(address, browser):
    with opened(browser, address) as page:
        picture = page.locator("#before")
        for view, name in (
            ("coarse", "The coarse stage of the edit"),
            ("fine", "The fine stage of the edit"),
            ("alpha", "The picture before the edit"),
        ):
            page.locator(f"#views label:has([value={view}])").click()
            assert picture.get_attribute("aria-label") == name


def test_a_page_that_cannot_work_is_read_out(address, browser):
    missing = [("**/models.json", lambda route: route.fulfill(status=404))]
    alert = "#busy[role=alert]"
    with opened(browser, address, alert, told=["404"], routes=missing) as page:
        assert "cannot be loaded" in page.inner_text(alert)
