"""How `make site` makes a site of the documents. Run from the root of the tree.

The sources are the documents where they are, so their links work in the tree and in the site. What
is no document in a link, such as a file of the code, is a part of the site as a download.
"""

import logging
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

# It logs each step of making a table, which happens when the modules are imported.
logging.getLogger("transitions").setLevel(logging.WARNING)
sys.path.insert(0, str(Path(__file__).parent))

project = "surfaces-bot"
author = "The surfaces-bot authors"
project_copyright = author
language = "en"

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md"]
exclude_patterns = [".*", "benchmarks", "demo", "tests"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "mermaid_diagrams"]

# GitHub shows the same documents: headings have the same anchors, numbers the same look.
myst_heading_anchors = 4
smartquotes = False

# The docstrings are sentences with names in backquotes.
default_role = "code"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_display_short_literal_types = True
add_module_names = False

html_theme = "furo"
html_title = project
html_favicon = "../../supervisor/status/page/icon.svg"
html_extra_path = ["index.html"]
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Called by Sphinx. The site has all pictures, for those that a document names in HTML."""
    app.connect("build-finished", _copy_pictures)


def _copy_pictures(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        place = Path("docs", "pictures")
        shutil.copytree(Path(app.srcdir) / place, Path(app.outdir) / place, dirs_exist_ok=True)
