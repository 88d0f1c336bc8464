"""Configuration files: find, layer, override, check, explain.

``load_config("birds.yaml", overrides=["train.seed=1"])`` reads a file (looked up as given, then in
``configs/``), applies overrides and checks every key, type and range. Any mistake is one
line: an unknown key names the nearest known one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mim_tf.config import Config, Section
from mim_tf.errors import UserError
from mim_tf.places import CONFIGS

Kind = TypeVar("Kind", bound=Section)


def known_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Every dotted key that holds a value: ``data.source``, ``loss.rec.coarse``, ..."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def find_config(name: str | Path) -> Path:
    """The file as given, else in ``configs/``, with or without ``.yaml``."""
    given = Path(name)
    for path in (given, CONFIGS / given, CONFIGS / f"{given}.yaml"):
        if path.is_file():
            return path
    choices = ", ".join(sorted(path.name for path in CONFIGS.glob("*.yaml")))
    raise UserError(f"no config {given}, neither here nor in {CONFIGS}; there are: {choices}")


def load_config(*names: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read, override, check; see :func:`load_kind`."""
    return load_kind(Config, *names, overrides=overrides)


def load_kind(kind: type[Kind], *names: str | Path, overrides: Sequence[str] = ()) -> Kind:
    """Read, override, check.

    Args:
        kind: Config for a run, PretrainConfig for evaluators.
        names: YAML files, looked up as given and then in ``configs/``; each goes over the former.
        overrides: ``section.key=value`` strings; the value is read as YAML.

    Raises:
        UserError: one line naming the file or override, the key, and what is wrong with it.
    """
    paths = [find_config(name) for name in names]
    tree: dict[str, Any] = {}
    for path in paths:
        _lay_over(tree, _read(path))
    for override in overrides:
        _override(tree, override)
    given = [str(path) for path in paths] + [f"--set {override}" for override in overrides]
    return parse_kind(kind, tree, " + ".join(given))


def load_saved(kind: type[Kind], path: Path) -> Kind:
    """Read and check the configuration that lies in a folder of ours, as :func:`dump_config`
    wrote it; errors as of :func:`load_kind`."""
    return parse_kind(kind, _read(path), str(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected sections like 'train:', found {type(tree).__name__}")
    return tree


def _lay_over(tree: dict[str, Any], layer: dict[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _lay_over(tree[key], value)
        else:
            tree[key] = value


def parse_config(tree: dict[str, Any], origin: str) -> Config:
    """Check a tree of sections; ``origin`` names it in the error."""
    return parse_kind(Config, tree, origin)


def parse_kind(kind: type[Kind], tree: dict[str, Any], origin: str) -> Kind:
    """:func:`parse_config` for either kind."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{origin}: {_explain(error, kind)}") from None


def dump_config(config: Section) -> str:
    """The whole configuration as YAML, every value stated, for the run directory."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {override!r}: expected section.key=value")
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UserError(f"--set {override!r}: {section} is no section")
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--set {override!r}: {text!r} is not a YAML value") from None


def _explain(error: ValidationError, kind: type[BaseModel]) -> str:
    first = error.errors()[0]
    # Union branches put the branch's type name into the location; keys are all a user wants.
    location = [
        str(part) for part in first["loc"] if not str(part).startswith(("function", "const"))
    ]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        known = list(known_keys(kind)) + list(kind.model_fields)
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        return f"unknown key {key}; did you mean {near[0]}?"
    message = first["msg"].removeprefix("Value error, ")
    if not key:
        return message
    shown = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"
