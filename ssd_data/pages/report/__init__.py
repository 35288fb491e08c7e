"""Pages for people: one HTML file that needs no network and runs no script.

A page is a list of sections, a section a list of blocks (``blocks.py``): tables, charts, pictures.
Each file in ``sections/`` makes one section of what was gathered (``subject.py`` of data,
``run_subject.py`` of a training); a page's own file (``data_page.py``, ``run_page.py``) puts
sections in order; ``render.py`` and the templates alone know HTML, and ``charts.py`` and
``curves.py`` SVG. What comes from data is text until it gets there, where it is escaped.
"""

from __future__ import annotations

from importlib.util import find_spec

from ssd_data.core.errors import SsdDataError
from ssd_data.core.optional import install_line


def require_templates() -> None:
    """Make sure that the template library is there, before what needs it is imported.

    Raises:
        SsdDataError: it is not; the hint says how to install it.
    """
    if find_spec("jinja2") is None:
        hint = f"Install it: {install_line('report')}"
        raise SsdDataError("a page needs jinja2", hint=hint)
