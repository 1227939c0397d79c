"""How Sphinx builds the site from these pages: `make docs`. Offline, and a warning is an error."""

from importlib.metadata import version

project = "omicsbench"
author = "The omicsbench maintainers"
release = version("omicsbench")
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

# The pages are read on GitHub too: its anchors, and nothing that it would not show.
myst_heading_anchors = 3
myst_links_external_new_tab = False
smartquotes = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
add_module_names = False

html_theme = "furo"
html_title = "omicsbench"
html_static_path = ["assets"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
