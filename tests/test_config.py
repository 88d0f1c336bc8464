"""The configuration: defaults, overrides, and one clear line for every mistake."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from mim_tf import config as configuration
from mim_tf.config_files import (
    dump_config,
    known_keys,
    load_config,
    load_kind,
    parse_config,
)
from mim_tf.errors import UserError
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.places import CONFIGS

PACKAGE = Path(configuration.__file__).parent


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configs_are_valid(path):
    layers = ["birds.yaml", path] if path.name == "paper.yaml" else [path]
    load_config(*layers)


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "evaluators").glob("*.yaml")), ids=lambda path: path.name
)
def test_shipped_configs_of_evaluators_are_valid(path):
    load_kind(PretrainConfig, path)


def test_mistakes_in_a_config_of_evaluators_name_its_own_keys():
    with pytest.raises(UserError, match="unknown key damsm.step; did you mean damsm.steps"):
        load_kind(PretrainConfig, "evaluators/birds.yaml", overrides=["damsm.step=3"])
    with pytest.raises(UserError, match="damsm.size: Inception needs at least 75 pixels"):
        load_kind(PretrainConfig, "evaluators/birds.yaml", overrides=["damsm.encoder=inception"])


def test_layers_go_over_each_other_key_by_key():
    config = load_config("birds.yaml", "paper.yaml")
    assert config.data == load_config("birds.yaml").data
    assert not config.model.compose and config.train.perturb == 0


def test_a_name_is_looked_up_in_configs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("birds.yaml") == load_config("birds") == load_config(CONFIGS / "birds.yaml")


def test_a_dumped_config_reads_back_equal():
    config = load_config("birds.yaml")
    import yaml

    assert parse_config(yaml.safe_load(dump_config(config)), "dump") == config


def test_overrides_are_yaml_values():
    config = load_config(
        "birds.yaml", overrides=["optimizer.learning_rate=1e-4", "model.memory=false"]
    )
    assert config.optimizer.learning_rate == 1e-4 and config.model.memory is False


def test_scientific_notation_in_a_file_is_a_number(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("optimizer:\n  learning_rate: 2e-4\n")
    assert load_config(file).optimizer.learning_rate == 2e-4


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["train.batchsize=4"], "unknown key train.batchsize; did you mean train.batch_size?"),
        (["trian.seed=4"], "unknown key trian; did you mean train?"),
        (["loss.rec.corse=4"], "unknown key loss.rec.corse; did you mean loss.rec.coarse?"),
        (["train.batch_size=0"], "train.batch_size: "),
        (["train.batch_size=many"], "train.batch_size: "),
        (["optimizer.learning_rate=fast"], "optimizer.learning_rate: "),
        (["model.compose=false"], "brings the picture's background back"),
        (["loss.match=0"], "train.warm_up needs model.word_gates and loss.match"),
        (["train.epochs=3"], "exactly one of train.steps and train.epochs"),
        (["model.coarse_size=128"], "model.fine_size is smaller than model.coarse_size"),
        (["data.source=cub"], "data.root is needed"),
        (["train.steps=2000"], "ends within train.warm_up=2500"),
        (["model.fine_size=512"], "model.fine_size=512: procedural birds are drawn at 32 to 256"),
        (["nonsense"], "expected section.key=value"),
        (["train=[1"], "is not a YAML value"),
    ],
)
def test_a_mistake_is_one_clear_line(overrides, expected):
    with pytest.raises(UserError, match=re.escape(expected)) as caught:
        load_config("birds.yaml", overrides=overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("- 1\n- 2\n", "expected sections"), ("a: [1\n", "not valid YAML"), ("train: 3\n", "train")],
)
def test_a_broken_file_is_one_clear_line(tmp_path, text, expected):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=expected) as caught:
        load_config(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_config_lists_those_that_exist():
    with pytest.raises(UserError, match=r"birds\.yaml"):
        load_config("nothing.yaml")


def test_every_field_is_read_somewhere():
    sources = [path for path in PACKAGE.rglob("*.py") if path.name != "config.py"]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    # ModelConfig is handed over whole, as keyword arguments of Generator.
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}

    def is_read(key: str) -> bool:
        name = key.split(".")[1] if key.startswith("loss.") else key.split(".")[-1]
        return name in read or (key.startswith("model.") and name in arguments)

    assert not [key for key in [*known_keys(), *known_keys(PretrainConfig)] if not is_read(key)]
