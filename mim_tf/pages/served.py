"""The page as ``mim_tf.serve`` gives it: with a SavedModel behind it.

Beside the versions of a model, ``models/mim/1``, its LiteRT files may lie in ``models/mim/litert``.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from mim_tf import json_text
from mim_tf.errors import UserError
from mim_tf.pages.app import Model, Site, read_model, site
from mim_tf.places import LITERT


def served_site(version: Path, name: str) -> Site:
    """The page of a model that a server runs.

    Where the LiteRT files are of other weights, which a line says, the page has none.

    Args:
        version: the folder of what ``export.saved_model`` wrote.
        name: of the model, in the server's paths.

    Raises:
        UserError: the page is not built, the version is of a former release, or the LiteRT files
            are damaged.
    """
    own, weights = _read_version(version, name)
    files = version.parent / LITERT
    model = read_model(files) if files.is_dir() else None
    if model and model.metadata.get("weights_sha256") != weights:
        told = f"{files} was exported from other weights than {version}; the page asks the server"
        print(told, file=sys.stderr)
        model = None
    model = model or own
    # As all addresses in the metadata it is relative to their own. It names the version: words of
    # another one might have other ids.
    address = f"../../../v1/models/{quote(name, safe='')}/versions/{version.name}:predict"
    metadata = {**model.metadata, "server": {"predict": address}}
    return site([replace(own, folder=model.folder, metadata=metadata, files=model.files)])


def _read_version(version: Path, name: str) -> tuple[Model, str]:
    """A SavedModel as the page knows a model, without networks, and the checksum of its weights."""
    assets, vocabulary = version / "assets", "vocabulary.json"
    file = assets / "model_card.json"
    try:
        card = json_text.read(file)
        metadata = {
            "files": {},
            "size": card["sizes"]["fine"],
            "coarse_size": card["sizes"]["coarse"],
            "max_words": card["max_words"],
            "vocabulary": vocabulary,
            "deciding_words": card["deciding_words"],
            "memories": None,
        }
        return Model(name, name, (), assets, metadata, (vocabulary,)), card["weights_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{file} tells too little for a page; export the model again") from None
