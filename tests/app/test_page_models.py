"""A page with several models: whoever uses it says what the picture shows, and that model edits."""

from __future__ import annotations

import numpy as np
import pytest
from driving import CAPTION, READY, downloaded, edit, opened, serving, upload, wait_for_step

from mim_tf.editor import Editor
from mim_tf.pages import app as page_files
from mim_tf.pictures import files
from mim_tf.places import LITERT, PRESETS, preset_names
from mim_tf.run import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(built):
    """The page with all presets."""
    models = [page_files.read_model(PRESETS / name / LITERT) for name in preset_names()]
    with serving(models) as found:
        yield found


@pytest.fixture
def shirt(tmp_path):
    """A grey square on white, which is all that a shirt needs here."""
    drawn = np.full((160, 160, 3), 255, np.uint8)
    drawn[30:130, 40:120] = 128
    path = tmp_path / "shirt.png"
    files.write(path, drawn)
    return path


def choose(page, title):
    page.select_option("#model", label=title)
    page.wait_for_function("() => document.querySelector('#busy').hidden")


def test_the_chosen_model_edits_and_each_step_keeps_its_own(
    site, browser, editor, picture, shirt, tmp_path
):
    with opened(browser, site) as page:
        assert page.locator("#model option").count() == len(preset_names())
        upload(page, picture)
        edit(page, CAPTION)
        before = downloaded(page, tmp_path)[1]
        choose(page, "clothes on a plain background")
        wait_for_step(page, "a red shirt")  # the sentence about birds was the page's own
        assert page.is_enabled("#download")  # it sees the former picture at its own size
        assert page.is_hidden("#or-example") and page.locator("#examples li").count() == 0
        page.wait_for_url("**model=clothes-128**")
        upload(page, shirt)
        edit(page, "a navy blue shirt")
        found = downloaded(page, tmp_path)[1]
        steps = page.locator("#steps button")
        place = steps.all_inner_texts().index(CAPTION, 1)  # after the example's
        steps.nth(place).click()
        page.wait_for_function("() => document.querySelector('#model').value === 'birds-64'")
        wait_for_step(page, CAPTION)
        again = downloaded(page, tmp_path)[1]
    own, grey = files.read(picture), files.read(shirt)
    birds = editor.edit(own, CAPTION, keep_size=True).picture
    clothes = Editor(Run.named("clothes-128")).edit(grey, "a navy blue shirt", keep_size=True)
    assert np.abs(before.astype(int) - birds).max() <= 2
    np.testing.assert_array_equal(again, before)
    assert np.abs(found.astype(int) - clothes.picture).max() <= 2
    assert np.abs(found.astype(int) - grey).max() > 50


def test_a_model_without_examples_asks_for_a_picture(site, browser, shirt):
    shown = ".frame.inviting .invitation"
    with opened(browser, f"{site}#model=clothes-128", ready=shown) as page:
        assert page.input_value("#model") == "clothes-128"
        assert page.input_value("#caption") == "a red shirt"
        choose(page, "a face")
        assert page.input_value("#caption") == "this person has blond hair"
        choose(page, "clothes on a plain background")
        upload(page, shirt)
        page.wait_for_selector(READY)
        assert page.is_hidden(shown)


def test_a_sentence_of_the_users_stays_and_says_what_the_model_does_not_know(site, browser):
    with opened(browser, site) as page:
        edit(page, "pink wings")
        choose(page, "a face")
        page.wait_for_selector("#messages .note")
        assert page.input_value("#caption") == "pink wings"
        assert "'wings'" in page.inner_text("#messages")


def test_a_model_that_cannot_be_loaded_leaves_the_one_before(site, browser, tmp_path):
    missing = [("**/models/faces-128/metadata.json", lambda route: route.fulfill(status=404))]
    with opened(browser, site, told=["404"], routes=missing) as page:
        page.select_option("#model", "faces-128")
        page.wait_for_function("() => document.querySelector('#toast').textContent !== ''")
        assert "cannot be loaded" in page.inner_text("#toast")
        assert page.input_value("#model") == "birds-64"
        edit(page, "a bird with green wings")
        assert page.is_enabled("#download")
