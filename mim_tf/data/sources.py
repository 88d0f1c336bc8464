"""The registry of data sets: ``data.source: NAME`` is the module ``mim_tf/data/sets/NAME.py``.

Nothing here imports TensorFlow: configurations are read through it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from mim_tf.config import Config, DataConfig
from mim_tf.data import sets
from mim_tf.data.source import Source, Split
from mim_tf.errors import UserError

__all__ = ["Source", "Split", "find_set", "load_raw", "load_source", "set_names"]


def find_set(name: str) -> Any:
    """The module of a data set; :mod:`mim_tf.data.sets` says what it holds.

    Raises:
        UserError: there is none of that name; the message lists those that exist.
    """
    module = _module(name)
    if module is None:
        raise UserError(f"data.source={name} is no data set; there are: {', '.join(set_names())}")
    return module


def set_names() -> list[str]:
    """What ``data.source`` may be."""
    return [name for name in _module_names() if _module(name) is not None]


def load_source(config: Config, split: Split) -> Source:
    """The source that a configuration names, from prepared records where it names some.

    Raises:
        UserError: the data set's folder is missing, incomplete or broken.
    """
    if config.data.records is not None:
        from mim_tf.data.records import load_records

        return load_records(config, split)
    module = find_set(config.data.source)
    if hasattr(module, "load_parts"):  # each part may have records of its own

        def load_part(options: DataConfig) -> Source:
            return load_source(config.model_copy(update={"data": options}), split)

        mixed: Source = module.load_parts(config.data, split, load_part)
        return mixed
    return load_raw(config.data, split)


def load_raw(options: DataConfig, split: Split) -> Source:
    """The source as its publisher made it, even where the options name records.

    Raises:
        UserError: the data set's folder is missing, incomplete or broken.
    """
    source: Source = find_set(options.source).load(options, split)
    return source


def _module_names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(sets.__path__))


def _module(name: str) -> Any:
    """The module, or None: neighbours without ``Options`` are helpers of the sets."""
    if name not in _module_names():
        return None
    module = importlib.import_module(f"{sets.__name__}.{name}")
    return module if hasattr(module, "Options") else None
