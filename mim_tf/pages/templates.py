"""HTML pages, made from the Jinja2 templates that lie in this folder.

A page is one file that needs no network: style, scripts and pictures are written into it.
"""

from __future__ import annotations

import base64
from typing import Any

import jinja2


def data_uri(png: bytes) -> str:
    """A PNG file as an address that holds the picture itself; in templates the filter of that
    name."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("mim_tf", "pages"),
    autoescape=True,  # captions and names are text, whatever they hold
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["data_uri"] = data_uri
# The filter ``tojson`` sorts the keys of dictionaries by default; the study's questions have an
# order.
_ENVIRONMENT.policies["json.dumps_kwargs"] = {}


def render(template: str, **values: Any) -> str:
    """The text of a page.

    Args:
        template: file name in this folder.
        values: what the template names.
    """
    return _ENVIRONMENT.get_template(template).render(**values)
