"""The package as a user gets it: built, installed outside the checkout, run from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON_LINES = """
import sys
import mim_tf
editor = mim_tf.load("birds-64")
edit = editor("bird.png", "a bird with red wings and a quux")
edit.image.save("edited.png")
print(edit.image.size, edit.alpha.shape, edit.warnings)
print(sorted({"tensorflow", "keras", "scipy", "cv2", "pydantic", "yaml"} & set(sys.modules)))
"""


def run(*command, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # Whatever points to the checkout is taken away: the installed package must do without it.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )


def install(*command, cwd: Path) -> None:
    """Run pip; without an index there is nothing to test with."""
    done = run(*command, cwd=cwd)
    unreachable = ("No matching distribution", "ConnectionError", "Could not find a version")
    if done.returncode and any(sign in done.stderr for sign in unreachable):
        pytest.skip(f"pip has no index here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    install(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, ROOT, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def base(wheel, tmp_path_factory) -> Path:
    """The ``bin`` folder of an environment with the base installation alone."""
    place = tmp_path_factory.mktemp("base") / "venv"
    venv.create(place, with_pip=True)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    install(scripts / "python", "-m", "pip", "install", wheel, cwd=place)
    return scripts


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    (tmp_path / "bird.png").write_bytes((ROOT / "docs" / "bird.png").read_bytes())
    return tmp_path


@pytest.mark.slow
def test_everything_lies_inside_the_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"mim_tf", "mim_tf-0.2.0.dist-info"}
    assert not [name for name in names if "__pycache__" in name]
    for folder, inside in (("mim_tf", ""), ("configs", "configs/"), ("export", "export/")):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and file.suffix in (".py", ".yaml", ".html", ".config"):
                assert f"mim_tf/{inside}{file.relative_to(ROOT / folder).as_posix()}" in names
    assert "mim_tf/presets/birds-64/generator.weights.h5" in names


@pytest.mark.slow
def test_the_base_installation_edits(base, elsewhere):
    assert run(base / "mim", "--version", cwd=elsewhere).stdout == "mim-tf 0.2.0\n"
    done = run(base / "mim", "edit", "--preset", "birds-64", "--image", "bird.png", "--text",
               "a bird with red wings", "--output", "out/edited.png", cwd=elsewhere)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('out/edited.png')}\n"
    done = run(base / "python", "-c", PYTHON_LINES, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    edited, imported = done.stdout.splitlines()
    assert "(64, 64, 1) (" in edited and "does not know 'quux'" in edited
    assert imported == "[]"
    assert (elsewhere / "edited.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--config", "birds.yaml"],
        ["edit", "bird.png", "red wings", "--backend", "tensorflow"],
        ["export", "tflite", "--preset", "birds-64", "--output", "mobile"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_an_extra_says_so_in_one_line(base, elsewhere, arguments):
    done = run(base / "mim", *arguments, cwd=elsewhere)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: this needs TensorFlow: install mim-tf with what [train] adds"
    )
    assert done.stderr.endswith('pip install ".[train]"\n') and done.stderr.count("\n") == 1
    assert [path.name for path in elsewhere.iterdir()] == ["bird.png"]


@pytest.mark.slow
def test_with_the_packages_of_train_it_finds_its_configurations(wheel, elsewhere):
    """Beside the packages of this environment, which downloads TensorFlow only once."""
    site = elsewhere / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", site, wheel]
    install(*pip, cwd=elsewhere)
    assert not {"configs", "presets", "export"} & {path.name for path in site.iterdir()}

    def mim(*arguments):
        command = [sys.executable, "-m", "mim_tf", *arguments]
        return run(*command, cwd=elsewhere, PYTHONPATH=str(site))

    done = mim("train", "--config", "birds.yaml", "--set", "train.stepz=1")
    found = site / "mim_tf" / "configs" / "birds.yaml"
    assert done.stderr.startswith(f"error: {found} + --set train.stepz=1: unknown key train.stepz")
    for form in ("saved-model", "tflite"):
        done = mim("export", form, "--help")
        assert done.returncode == 0 and "--preset" in done.stdout, done.stderr
