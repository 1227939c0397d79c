"""How Sphinx builds the site from these pages: `make docs`. Offline, and a warning is an error."""

import importlib.metadata
import re
from typing import Any

project = "omicsbench"
author = "The omicsbench maintainers"
release = importlib.metadata.version("omicsbench")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

# The pages are read on GitHub too: its anchors, and nothing that it would not show.
myst_heading_anchors = 3
myst_links_external_new_tab = False
smartquotes = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {name: name for name in ("Array", "ArrayLike", "NDArray", "Value")}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
add_module_names = False

html_theme = "furo"
html_title = "omicsbench"
html_static_path = ["assets"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


def _prose(app: Any, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Docstrings are prose: an absolute value or a set bar is no markup."""
    lines[:] = ["``".join(_escaped(line.split("``"))) for line in lines]


def _escaped(parts: list[str]) -> list[str]:
    return [part if inside % 2 else re.sub(r"[|*]", r"\\\g<0>", part) for inside, part in enumerate(parts)]


def _signature(app: Any, what: str, name: str, thing: object, options: object, *texts: str | None) -> Any:
    """An alias beside another type keeps its name."""
    return tuple(text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text) for text in texts)


def setup(app: Any) -> None:
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _prose)
