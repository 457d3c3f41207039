"""Builds the documentation site: ``make docs``. Every warning is an error."""

import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
TOP = DOCS.parent
sys.path.insert(0, str(TOP))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.settings.development")

import django  # noqa: E402  # needs the two lines above
from sphinx.application import Sphinx  # noqa: E402
from sphinx.util import logging  # noqa: E402

# Autodoc imports models.
django.setup()

project = "Coordinator"
author = "The Coordinator contributors"
copyright = "2026, the Coordinator contributors"  # noqa: A001  # Sphinx's name

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.coverage",
    "sphinx.ext.intersphinx",
    "sphinxcontrib.mermaid",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
# Types of other projects, and private ones that only appear in signatures.
nitpick_ignore_regex = [("py:.*", r"(?!coordinator\.).*"), ("py:.*", r"coordinator\..*\._.*")]
# The site builds without a network: other projects' pages are linked by address.
intersphinx_mapping: dict[str, tuple[str, None]] = {}

myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
coverage_show_missing_items = True

html_theme = "furo"
html_title = "Coordinator"
html_static_path = ["images"]
html_copy_source = False
# Pinned, so that two builds show the same drawings.
mermaid_version = "11.12.0"

logger = logging.getLogger(__name__)


_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def unlink_files_of_the_repository(app: Sphinx, name: str, source: list[str]) -> None:
    """Show links that leave ``docs/`` as text, and warn if they lead nowhere.

    The pages are read in a checkout too, where such a link opens the file; the site has no copy.
    """
    page = Path(app.env.doc2path(name))

    def unlinked(link: re.Match[str]) -> str:
        target = link["target"]
        path = (page.parent / target).resolve()
        if "://" in target or path.is_relative_to(DOCS):
            return link[0]
        if not path.exists():
            logger.warning("no such file: %s", target, location=name)
        return link["text"]

    source[0] = _LINK.sub(unlinked, source[0])


def setup(app: Sphinx) -> None:
    """Add what this project does to links."""
    app.connect("source-read", unlink_files_of_the_repository)
