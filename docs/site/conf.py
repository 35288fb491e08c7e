"""Sphinx's settings for the site; ``docs/make_site.py`` calls it."""

from sphinx.application import Sphinx
from sphinx.domains.python import PyObject

from ssd_data.core.version import __version__

project = "ssd-data"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 4  # links go to headings by GitHub's names for them
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = ["myst.header"]  # pages may begin with a table's heading
highlight_language = "text"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_use_ivar = True
python_maximum_signature_line_length = 88
add_module_names = False

html_theme = "furo"
html_title = f"ssd-data {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["search.js"]
html_copy_source = False  # the pages' Markdown lies beside them
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}


def plain_signature(*given: object) -> tuple[str, str] | None:
    """Fields made by a factory, as Python can write them."""
    signature, returned = given[5:7]
    if not isinstance(signature, str):
        return None
    return signature.replace("<factory>", "..."), str(returned or "")


def setup(app: Sphinx) -> None:
    """What Sphinx calls variables, docstrings and Python call attributes."""
    app.connect("autodoc-process-signature", plain_signature)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
