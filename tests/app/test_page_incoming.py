"""What comes into the page and goes out of it: colour profiles, text that is pasted or dropped."""

from __future__ import annotations

import numpy as np
import pytest
from driving import CAPTION, edit, opened, upload
from PIL import Image, ImageCms

from mim_tf.pictures import files

pytestmark = pytest.mark.slow


def swapped_profile() -> bytes:
    """A profile in which red and green have changed places: whoever follows it sees so."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def saved(page, path):
    with page.expect_download() as found:
        page.click("#download")
    found.value.save_as(path)
    with Image.open(path) as image:
        image.load()
        return image.info.get("icc_profile"), np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_the_colour_profile_goes_on_into_the_downloaded_file(
    address, browser, editor, picture, tmp_path, suffix
):
    profile = swapped_profile()
    own = tmp_path / f"own{suffix}"
    Image.fromarray(files.read(picture)).save(own, icc_profile=profile, quality=95)
    expected = editor.edit(files.read(own), CAPTION, keep_size=True).picture
    with opened(browser, address) as page:
        upload(page, own)
        edit(page, CAPTION)
        found, pixels = saved(page, tmp_path / "downloaded.png")
        assert found == profile
        assert np.abs(pixels - expected).max() <= 6  # a JPEG is unpacked a little unlike
        page.click("#continue")
        edit(page, "a bird with a green tail")
        assert saved(page, tmp_path / "again.png")[0] == profile
        page.locator("#examples button").first.click()
        page.wait_for_selector("#examples [aria-pressed=true]")
        page.wait_for_selector("#download:not([disabled])")
        assert saved(page, tmp_path / "plain.png")[0] is None


def test_results_side_by_side_are_small_copies(address, browser, picture, tmp_path):
    large = tmp_path / "large.png"
    Image.fromarray(files.read(picture)).resize((1220, 896)).save(large)
    with opened(browser, address) as page:
        upload(page, large)
        page.fill("#sentences", "red wings\nblue wings")
        page.click("#show-several")
        page.wait_for_function("() => document.querySelectorAll('#results canvas').length === 2")
        sizes = page.eval_on_selector_all("#results canvas", "all => all.map((c) => c.width)")
        assert sizes == [400, 400]


@pytest.mark.parametrize("way", ["paste", "drop"])
@pytest.mark.parametrize("with_picture", [True, False])
def test_text_goes_into_the_field_also_where_a_picture_comes_with_it(
    address, browser, picture, way, with_picture
):
    script = """({way, bytes}) => {
        const data = new DataTransfer();
        data.setData("text/plain", "red wings");
        if (bytes.length > 0) data.items.add(new File([new Uint8Array(bytes)], "cells.png"));
        const options = {bubbles: true, cancelable: true};
        const event = way === "paste"
            ? new ClipboardEvent("paste", {...options, clipboardData: data})
            : new DragEvent("drop", {...options, dataTransfer: data});
        document.querySelector("#caption").dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    content = list(picture.read_bytes()) if with_picture else []
    with opened(browser, address) as page:
        facts = page.inner_text("#facts").split(",")[0]
        assert page.evaluate(script, {"way": way, "bytes": content}) is False
        page.wait_for_timeout(500)
        assert page.inner_text("#facts").split(",")[0] == facts
        assert page.inner_text("#toast") == ""


def test_a_link_that_is_dropped_does_not_leave_the_page(address, browser):
    with opened(browser, address) as page:
        prevented = page.evaluate(
            """() => ["dragover", "drop"].map((kind) => {
              const data = new DataTransfer();
              data.setData("text/uri-list", "https://elsewhere.example/");
              const options = {bubbles: true, cancelable: true, dataTransfer: data};
              return !document.body.dispatchEvent(new DragEvent(kind, options));
            })"""
        )
    assert prevented == [True, True]
