"""What ``new-plugin`` and ``new-task`` write, as jinja2 templates beside this file."""

from __future__ import annotations

import json

import jinja2


def render(template: str, **values: object) -> str:
    """The text of a template. A value that it wants and is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("omicsbench", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["toml"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.get_template(template).render(**values)
