"""Shared fixtures: a model small enough to build in a second, and a run of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from mim_tf.onednn import prefer_onednn

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As the commands do: what is trained here is compared with what they train, to the bit.
prefer_onednn()

import tensorflow as tf  # noqa: E402

# Two logical devices let one machine test what two replicas do; set before any operation runs.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

from tiny import tiny_config  # noqa: E402

LONG = (
    "test_training", "test_workers", "test_evaluation", "test_page", "test_mimnet", "test_tflite",
    "test_saved_model", "test_wheel", "test_updates", "test_precision", "test_warm_up", "test_edit",
    "test_demo", "test_ablation", "test_train_sources", "test_accumulation", "test_dry_run",
    "test_evaluators", "test_serve", "test_versions", "test_page_server",
)  # fmt: skip
"""Modules that take longest: they come first, so that neither of two processes waits for the other
at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal():
    """A parent (``nohup``, a shell's ``&``) may have told this process to ignore signals."""
    handlers = {signal.SIGINT: signal.default_int_handler}
    if hasattr(signal, "SIGHUP"):  # not on Windows
        handlers[signal.SIGHUP] = signal.SIG_DFL
    earlier = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="session")
def memories_that_start_roughly():
    """A twentieth of the steps that fit a memory's start, in every training; its own tests have
    all of them."""
    from mim_tf.training import memory_start

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_start, "_STEPS", 50)
        yield


@pytest.fixture
def whole_memory_start(monkeypatch):
    from mim_tf.training import memory_start

    monkeypatch.setattr(memory_start, "_STEPS", 1000)


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real samples of the published data sets: in MIM_TF_SAMPLES, else in ../shared/data."""
    beside = Path(__file__).parents[1].parent / "shared" / "data"
    root = Path(os.environ.get("MIM_TF_SAMPLES", beside))
    if not root.is_dir():
        pytest.skip(f"no samples of the data sets at {root}; set MIM_TF_SAMPLES to their folder")
    return root


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Path:
    """The directory of a tiny run, trained for four steps."""
    from mim_tf.training.loop import start

    return start(tmp_path_factory.mktemp("runs") / "tiny", tiny_config()).path


@pytest.fixture(scope="session")
def tiny_evaluators(tmp_path_factory) -> Path:
    """A directory of evaluators, trained for three steps each: they run, but measure badly."""
    from mim_tf.config_files import parse_kind
    from mim_tf.evaluators import training as pretraining
    from mim_tf.evaluators.config import PretrainConfig

    tree = {
        "data": {"count": 24, "captions": 2},
        "damsm": {"size": 32, "dim": 8, "word_dim": 6, "batch_size": 4, "steps": 3},
        "classifier": {"size": 32, "batch_size": 4, "steps": 3},
        "machine": {"checkpoint_every": 2},
    }
    path = tmp_path_factory.mktemp("evaluators") / "tiny"
    pretraining.start(path, parse_kind(PretrainConfig, tree, "test"))
    pretraining.pretrain(path)
    return path


@pytest.fixture(scope="session")
def random_run(tmp_path_factory):
    """A run with random weights everywhere, so that every layer shows in the result."""
    import numpy as np

    from mim_tf.data.sources import load_source
    from mim_tf.models.generator import make_generator
    from mim_tf.run import Run
    from mim_tf.training.start import build_vocabulary

    config = tiny_config()
    vocabulary = build_vocabulary(load_source(config, "train"), config)
    run = Run.create(tmp_path_factory.mktemp("runs") / "random", config, vocabulary)
    tf.keras.utils.set_random_seed(0)
    generator = make_generator(config, len(vocabulary))
    rng = np.random.default_rng(0)
    for weight in generator.weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    run.save_generator(generator)
    return run


@pytest.fixture(scope="session")
def saved_model(random_run, tmp_path_factory) -> Path:
    """The base directory of an exported SavedModel of ``random_run``."""
    from export.saved_model import export
    from mim_tf.editor import Editor

    base = tmp_path_factory.mktemp("models") / "mim"
    export(Editor(random_run), base)
    return base
