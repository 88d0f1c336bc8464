"""The page in a real browser: it edits there, and what it shows is what ``mim_tf.edit`` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from driving import (
    CAPTION,
    READY,
    downloaded,
    edit,
    opened,
    upload,
    wait_for_step,
    wait_until_served,
)

from mim_tf.captions import HARDLY_CHANGED
from mim_tf.data.birds.scenes import scene
from mim_tf.pages import app as page_files
from mim_tf.pictures import files

pytestmark = pytest.mark.slow

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def host(built, litert, tmp_path_factory):
    """A static folder under a sub-path of a web host that knows nothing of it."""
    root = tmp_path_factory.mktemp("host")
    page_files.export([page_files.read_model(litert)], root / "some where" / "site")
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    server = subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        port = server.stdout.readline().split(" port ")[1].split()[0]
        found = f"http://127.0.0.1:{port}/some%20where/site/"
        wait_until_served(found, server)
        yield found
    finally:
        server.terminate()
        server.wait()


def test_a_static_folder_edits_like_the_command(host, browser, editor, picture, tmp_path):
    with opened(browser, host) as page:
        upload(page, picture)
        edit(page, CAPTION)
        name, found = downloaded(page, tmp_path)
    assert name == "my bird-a-bird-with-red-wings-and-a-white-belly.png"
    original = files.read(picture)
    expected = editor.edit(original, CAPTION, keep_size=True).picture
    assert found.shape == original.shape
    assert np.abs(found.astype(int) - expected).max() <= 2
    assert np.abs(expected.astype(int) - original).max() > 50  # it was edited at all
    np.testing.assert_array_equal(found[:, :31], original[:, :31])  # outside the model's square


def test_strength_scales_the_change(address, browser, editor, picture, tmp_path):
    with opened(browser, address) as page:
        upload(page, picture)
        edit(page, CAPTION)
        whole = downloaded(page, tmp_path)[1].astype(int)
        page.evaluate(
            "() => { const field = document.querySelector('#strength'); field.value = '0.5';"
            " field.dispatchEvent(new Event('input')); field.dispatchEvent(new Event('change')) }"
        )
        page.wait_for_timeout(1500)
        half = downloaded(page, tmp_path)[1].astype(int)
    original = files.read(picture)
    for found, strength in ((whole, 1), (half, 0.5)):
        expected = editor.edit(original, CAPTION, keep_size=True, strength=strength).picture
        assert np.abs(found - expected).max() <= 2
    inner = (whole > 5) & (whole < 250)  # where nothing was clipped
    difference = np.abs((half - original) - (whole - original) / 2)[inner]
    assert difference.max() <= 1.01 and np.abs(half - whole).max() > 20


def test_unknown_words_are_marked_and_mended(address, browser):
    with opened(browser, address) as page:
        page.fill("#caption", "make the winsg red")
        page.wait_for_selector("#marks mark")
        assert page.inner_text("#marks mark") == "winsg"
        assert "does not know 'winsg'; did you mean 'wings'" in page.inner_text("#messages")
        page.get_by_role("button", name="Use “wings”").click()
        assert page.input_value("#caption") == "make the wings red"
        assert page.locator("#messages .note").count() == 0
        # A colour that it does not know is refused, unless one asks for it all the same.
        page.fill("#caption", "orange wings")
        page.wait_for_selector("#download[disabled]", state="attached")
        assert page.get_attribute("#caption", "aria-invalid") == "true"
        assert "does not know 'orange'" in page.inner_text("#messages")
        page.get_by_role("button", name="Edit anyway").click()
        page.wait_for_selector(READY)
        page.fill("#caption", "")
        page.wait_for_selector("#download[disabled]", state="attached")
        assert page.locator("#messages .note").count() == 0


def test_bad_files_give_one_line_and_the_page_goes_on(address, browser, picture, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:40])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    with opened(browser, address) as page:
        for name, told in (
            ("notes.txt", "not a picture"),
            ("empty.png", "is empty"),
            ("broken.png", "broken one"),
        ):
            page.set_input_files("#file", str(tmp_path / name))
            page.wait_for_function(
                "(name) => document.querySelector('#toast').textContent.startsWith(name)", arg=name
            )
            assert told in page.inner_text("#toast") and "\n" not in page.inner_text("#toast")
        assert page.is_enabled("#download")
        upload(page, picture)
        edit(page, "blue wings")


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(address, browser, picture, way):
    script = """async ({way, bytes}) => {
      const file = new File([new Uint8Array(bytes)], `${way}.png`, {type: "image/png"});
      const data = new DataTransfer();
      data.items.add(file);
      const event = way === "paste"
        ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true})
        : new DragEvent("drop", {dataTransfer: data, bubbles: true});
      document.body.dispatchEvent(event);
    }"""
    height, width = files.read(picture).shape[:2]
    with opened(browser, address) as page:
        page.evaluate(script, {"way": way, "bytes": list(picture.read_bytes())})
        page.wait_for_function(
            "(size) => document.querySelector('#facts').textContent.startsWith(size)",
            arg=f"{width} × {height} pixels, edited",
        )


def test_edit_the_edit_undo_and_redo(address, browser, picture, tmp_path):
    with opened(browser, address) as page:
        upload(page, picture)
        edit(page, "red wings")
        first = downloaded(page, tmp_path)[1]
        page.click("#continue")
        wait_for_step(page, "my bird edited")  # what is typed before that is in the same step
        edit(page, "make the belly green")
        second = downloaded(page, tmp_path)[1]
        assert np.abs(second.astype(int) - first).max() > 50
        page.click("#undo")  # back to the first result, not edited yet
        assert page.input_value("#caption") == ""
        page.click("#undo")
        page.wait_for_selector(READY)
        assert page.input_value("#caption") == "red wings"
        page.wait_for_timeout(500)
        np.testing.assert_array_equal(downloaded(page, tmp_path)[1], first)
        page.click("#redo")
        page.click("#redo")
        page.wait_for_selector(READY)
        page.wait_for_timeout(500)
        np.testing.assert_array_equal(downloaded(page, tmp_path)[1], second)
        assert page.is_disabled("#redo")


def test_words_typed_while_a_picture_is_taken_are_for_that_picture(address, browser, picture):
    with opened(browser, address) as page:
        upload(page, picture)
        edit(page, "red wings")
        steps = page.locator("#steps li").count()
        page.evaluate(  # in one task, so that the model cannot have seen the picture in between
            """() => {
                document.querySelector("#continue").click();
                const caption = document.querySelector("#caption");
                caption.value += "make the belly green";
                caption.dispatchEvent(new Event("input", { bubbles: true }));
            }"""
        )
        shown = "document.querySelectorAll('#steps li')"
        page.wait_for_function(f"() => {shown}.length > {steps}")
        page.wait_for_function(
            f"() => {shown}[{shown}.length - 1].querySelector('canvas')"
            " && document.querySelector('#busy').hidden"
        )
        texts = page.locator("#steps span").all_inner_texts()
        assert len(texts) == steps + 1
        assert texts[-2:] == ["red wings", "make the belly green"]
        assert page.locator("#steps [aria-current] span").inner_text() == texts[-1]
        assert page.input_value("#caption") == "make the belly green"


def test_a_phone_shows_everything(address, browser):
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    with opened(browser, address, **phone) as page:
        page.tap("#show-several")
        page.wait_for_function("() => document.querySelectorAll('#results canvas').length === 4")
        page.tap("#bars li:first-child button")
        page.wait_for_selector("#memory-figure:not([hidden])")
        for summary in page.locator("summary").all():
            summary.tap()
        for view in ("alpha", "coarse", "fine", "compare"):
            page.locator(f"#views label:has([value={view}])").tap()
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("#caption").bounding_box()["width"] > 280


def test_the_keyboard_alone_is_enough(address, browser):
    def tab_to(selector):
        for _ in range(150):
            page.keyboard.press("Tab")
            if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
                return
        raise AssertionError(f"Tab never reaches {selector}")

    with opened(browser, address) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the skip link
        page.keyboard.press("Tab")
        page.evaluate("document.activeElement.blur()")
        tab_to("#split")
        page.keyboard.press("Home")
        assert page.input_value("#split") == "0"
        tab_to("#views input")
        page.keyboard.press("ArrowRight")
        assert page.is_visible("#overlay")
        tab_to("#caption")
        page.keyboard.press("Control+A")
        page.keyboard.type("blue tail")
        page.keyboard.press("Enter")
        page.wait_for_selector("#undo:not([disabled])")
        tab_to("#strength")
        page.keyboard.press("ArrowLeft")
        assert page.input_value("#strength") == "0.95"
        tab_to(".chips button")
        page.keyboard.press("Enter")
        assert page.input_value("#caption") == "blue tail red"
        tab_to("#examples button")
        page.keyboard.press("Control+Z")
        page.wait_for_function("() => document.querySelector('#caption').value === 'blue tail'")
        page.keyboard.press("Control+Shift+Z")
        page.wait_for_function("() => document.querySelector('#caption').value === 'blue tail red'")


def test_a_link_holds_the_settings_and_no_picture(address, browser, picture):
    with opened(browser, address) as page:
        upload(page, picture)
        edit(page, "a pink crown")
        page.locator("#views label:has([value=alpha])").click()
        page.wait_for_url("**view=alpha**")
        link = page.url
    assert "bird" not in link.split("#")[1] and len(link) < 200
    with opened(browser, link) as page:
        assert page.input_value("#caption") == "a pink crown"
        assert page.is_checked("#views [value=alpha]") and page.is_visible("#overlay")
    ready = "#messages .note"
    with opened(browser, f"{address}#strength=x&view=y&text=zzz&example=q", ready) as page:
        assert "knows no word" in page.inner_text("#messages")


def test_a_memory_paints_what_the_model_paints(address, browser, editor, tmp_path):
    from mim_tf.pages.memory_sheet import paint_memories

    picture = scene(11, 3, 64).render()
    files.write(tmp_path / "small.png", picture)
    with opened(browser, address) as page:
        upload(page, tmp_path / "small.png")
        edit(page, "red wings")
        assert page.locator("#words input").count() == 2
        slot = int(page.get_attribute("#bars li:first-child button", "data-slot"))
        page.click("#bars li:first-child button")
        page.wait_for_selector("#memory-figure:not([hidden])")
        values = page.evaluate(
            "() => { const canvas = document.querySelector('#memory-picture');"
            " return [...canvas.getContext('2d').getImageData(0, 0, canvas.width,"
            " canvas.height).data] }"
        )
    found = np.array(values).reshape(64, 64, 4)[:, :, :3]
    expected = paint_memories(editor, [picture])[slot, 0]
    assert np.abs(found - expected).max() <= 2


def test_several_sentences_and_the_use_of_one(address, browser):
    with opened(browser, address) as page:
        page.fill("#sentences", "red wings\n\norange wings\nwings in blue")
        page.click("#show-several")
        page.wait_for_function("() => document.querySelectorAll('#results li').length === 3")
        assert page.locator("#results canvas").count() == 2
        assert "orange" in page.inner_text("#results .note")
        page.get_by_role("button", name="wings in blue").click()
        assert page.input_value("#caption") == "wings in blue"


def test_several_sentences_say_where_nothing_was_changed(address, browser, tmp_path):
    files.write(tmp_path / "grey.png", np.full((64, 64, 3), 128, np.uint8))
    with opened(browser, address) as page:
        upload(page, tmp_path / "grey.png")
        page.fill("#sentences", "red wings\na bird with a blue tail")
        page.click("#show-several")
        page.wait_for_function("() => document.querySelectorAll('#results li').length === 2")
        assert page.locator("#results canvas").count() == 0
        told = page.locator("#results .note").all_inner_texts()
        assert told == [f"“{caption}”: {HARDLY_CHANGED}"
                        for caption in ("red wings", "a bird with a blue tail")]  # fmt: skip


@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_no_serious_fault(address, browser, width):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (cd web && npm ci)")
    found = []
    with opened(browser, address, viewport={"width": width, "height": 800}) as page:
        page.click("#show-several")
        page.wait_for_function("() => document.querySelectorAll('#results canvas').length === 4")
        edit(page, "make the wingz red")  # with marks and messages
        page.click("#bars li:first-child button")
        page.wait_for_selector("#memory-figure:not([hidden])")
        page.evaluate(AXE.read_text("utf-8"))
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += page.evaluate("async () => (await axe.run(document)).violations")
    serious = [
        (fault["id"], fault["help"], fault["nodes"][0]["html"][:200])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []
