"""The site: ``python -m sphinx -W --keep-going docs build/site``, without the internet."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_extensions"), str(DOCS.parent)]

import stylelayers  # noqa: E402

project = "stylelayers"
author = "the contributors of stylelayers"
release = version = stylelayers._version.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_parser",
    "sphinx_copybutton",
    "arxiv_links",
    "docstrings",
    "generated_pages",
    "mathml",
    "public_names",
    "repository_links",
    "source_pages",
]
exclude_patterns = ["_*"]

# Strictness, on top of -W and -n: types without documentation of their own are named, not linked.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(torch|lightning|numpy|np|PIL|torchvision|torchmetrics)\.[\w.]+")]

# Docstrings: Google's sections; `name` in single backticks is code.
default_role = "code"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_custom_sections = ["Shape", ("Attributes", "params_style")]
napoleon_numpy_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
viewcode_follow_imported_members = True

# Markdown: headings have the anchors that code hosts give them; ``:::`` fences what is no code.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

# Addresses of others' documentation are kept here: the build reads no inventory from the internet.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3/", str(DOCS / "_inventories" / "python.txt")),
    "torch": ("https://docs.pytorch.org/docs/stable/", str(DOCS / "_inventories" / "torch.txt")),
}

html_theme = "furo"
html_title = f"stylelayers {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
pygments_dark_style = "github-dark"
html_math_renderer = "mathml"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
