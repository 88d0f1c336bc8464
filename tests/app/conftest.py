"""Fixtures of the page's tests: LiteRT files, the built page, and a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from driving import serving

from mim_tf import places
from mim_tf.checksums import write_sums_of_all
from mim_tf.data.birds.scenes import scene
from mim_tf.pages import app as page_files
from mim_tf.pictures import files

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def litert(tmp_path_factory) -> Path:
    """LiteRT files of the shipped preset: the shipped ones, or exported here."""
    from export.tflite import export
    from mim_tf.editor import Editor
    from mim_tf.run import Run

    shipped = ROOT / "presets" / "birds-64" / places.LITERT
    if (shipped / "memories.bin").is_file():
        return shipped
    folder = tmp_path_factory.mktemp("models") / "litert"
    export(Editor(Run.named("birds-64")), folder)
    return folder


@pytest.fixture(scope="session")
def built() -> Path:
    """The built page."""
    if not (page_files.PAGE / "index.html").is_file():
        pytest.skip("the page is not built (make app)")
    return page_files.PAGE


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A page and a model of a few bytes each, for what needs no browser."""
    page, model = tmp_path / "page", tmp_path / "robins" / "litert"
    (page / "assets").mkdir(parents=True)
    model.mkdir(parents=True)
    (page / "index.html").write_text("<p>page</p>")
    (page / "assets" / "a.js").write_text("1")
    names = ("text.tflite", "text_float16.tflite", "image.tflite", "vocabulary.json")
    for name in names:
        (model / name).write_text(name)
    (model / "metadata.json").write_text(
        '{"files": {"text.tflite": 1, "text_float16.tflite": 2, "image.tflite": 3},'
        ' "vocabulary": "vocabulary.json", "size": 64}'
    )
    write_sums_of_all(model)
    monkeypatch.setattr(page_files, "PAGE", page)
    return model


@pytest.fixture(scope="module")
def address(built, litert):
    """Where ``mim_tf.app`` serves the page."""
    with serving([page_files.read_model(litert)]) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)"
    )
    programs = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, programs) if path), None)
    with sync_api.sync_playwright() as driver:
        try:
            chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no Chromium to start (playwright install chromium): {str(error)[:80]}")
        yield chromium
        chromium.close()


@pytest.fixture
def picture(tmp_path) -> Path:
    """A drawn bird that is not square, so that crop and resampling show."""
    drawn = scene(11, 3, 224).render()
    wide = np.pad(drawn, ((0, 0), (31, 50), (0, 0)), mode="edge")
    path = tmp_path / "my bird.png"
    files.write(path, wide)
    return path


@pytest.fixture(scope="session")
def editor():
    from mim_tf.editor import Editor
    from mim_tf.run import Run

    return Editor(Run.named("birds-64"))
