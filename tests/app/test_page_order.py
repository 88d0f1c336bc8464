"""The page while several things are on their way: what was asked for last is what comes of it."""

from __future__ import annotations

import numpy as np
import pytest
from driving import READY, edit, opened, serving, upload, wait_for_step

from mim_tf.pages import app as page_files
from mim_tf.pictures import files
from mim_tf.places import LITERT, PRESETS

pytestmark = pytest.mark.slow

TYPE = """(text) => {
    const caption = document.querySelector("#caption");
    caption.value = text;
    caption.dispatchEvent(new Event("input", { bubbles: true }));
}"""


@pytest.fixture(scope="module")
def site(built):
    """The page with two models."""
    models = [page_files.read_model(PRESETS / n / LITERT) for n in ("birds-64", "clothes-128")]
    with serving(models) as found:
        yield found


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


def test_each_step_is_edited_by_its_own_model_however_quickly_one_goes_there(site, browser):
    stages = {"birds-64": "64 × 64", "clothes-128": "128 × 128"}

    def check(model):
        page.wait_for_selector(READY)
        assert page.input_value("#model") == model
        assert stages[model] in page.inner_text("#facts")

    with opened(browser, site) as page:
        edit(page, "red wings")
        page.locator("#views label:has([value=fine])").click()
        page.select_option("#model", "clothes-128")
        wait_for_step(page, "red wings")
        page.select_option("#model", "birds-64")
        wait_for_step(page, "red wings")
        check("birds-64")
        for _ in range(2):
            click(page, "#undo", "#undo")
            check("birds-64")
            click(page, "#redo", "#redo")
            check("birds-64")
        click(page, "#undo", "#redo", "#undo")
        check("clothes-128")


def test_a_step_whose_model_cannot_be_loaded_is_left_again(site, browser):
    files_of_clothes = "**/models/clothes-128/metadata.json"
    with opened(browser, site, told=["404"]) as page:
        edit(page, "red wings")
        page.select_option("#model", "clothes-128")
        wait_for_step(page, "red wings")
        page.select_option("#model", "birds-64")
        wait_for_step(page, "red wings")
        page.route(files_of_clothes, lambda route: route.fulfill(status=404))
        page.click("#undo")
        page.wait_for_function("() => document.querySelector('#toast').textContent !== ''")
        page.wait_for_selector(READY)
        assert page.input_value("#model") == "birds-64"
        assert page.is_disabled("#redo")
        page.unroute(files_of_clothes)
        page.click("#undo")
        page.wait_for_selector(READY)
        assert page.input_value("#model") == "clothes-128"


def test_the_picture_that_was_chosen_last_is_taken(address, browser, picture):
    waiting = []
    with opened(browser, address) as page:
        page.route("**/examples/lake.jpg", lambda route: waiting.append(route))
        click(page, "[data-name=lake]", "[data-name=rising]")
        page.wait_for_selector("[data-name=rising][aria-pressed=true]")
        caption = page.input_value("#caption")
        for route in waiting:
            route.continue_()
        page.wait_for_timeout(1000)
        assert page.get_attribute("[data-name=rising]", "aria-pressed") == "true"
        assert page.input_value("#caption") == caption
        assert page.locator("#steps li").count() == 2


def test_a_picture_that_is_chosen_before_the_first_example_is_here_stays(address, browser, picture):
    waiting = []
    routes = [("**/examples/perched.jpg", lambda route: waiting.append(route))]
    with opened(browser, address, "[data-loaded]", routes=routes) as page:
        page.set_input_files("#file", str(picture))
        page.wait_for_selector(READY)
        for route in waiting:
            route.continue_()
        page.wait_for_timeout(1000)
        assert "305 × 224" in page.inner_text("#facts")
        assert page.locator("#examples [aria-pressed=true]").count() == 0


def test_results_side_by_side_are_of_the_picture_and_the_model_that_stand_there(site, browser):
    results = "document.querySelectorAll('#results li').length"
    with opened(browser, site) as page:
        page.fill("#sentences", "red wings\nblue wings\ngreen wings\nblack wings")
        page.click("#show-several")
        page.wait_for_function(f"() => {results} === 4")
        edit(page, "a blue tail")
        assert page.evaluate(results) == 4  # another sentence takes none away
        click(page, "#show-several", "[data-name=rising]")
        page.wait_for_selector("[data-name=rising][aria-pressed=true]")
        page.wait_for_timeout(1000)
        assert page.evaluate(results) == 0
        page.click("#show-several")
        page.wait_for_function(f"() => {results} === 4")
        page.evaluate(
            """() => {
                const models = document.querySelector("#model");
                models.value = "clothes-128";
                models.dispatchEvent(new Event("change"));
                document.querySelector("#show-several").click();
            }"""
        )
        page.wait_for_selector("#or-example", state="hidden")
        page.wait_for_timeout(1000)
        assert page.evaluate(results) == 0
