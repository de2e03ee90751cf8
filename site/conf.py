"""The site's settings.  The sources that Sphinx reads are written by build.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import hvae

project, author, copyright = "hvae", "the authors of hvae", "the authors of hvae"
version = release = hvae.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_design", "markdown_docstrings", "mathml"]
html_theme = "furo"
html_title = "hvae"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_math_renderer = "mathml"
html_theme_options = {"navigation_with_keys": True}
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 100
# Names of types in signatures are read, not followed.
nitpicky = False
suppress_warnings = ["myst.strikethrough"]
# Tutorials run when they or the package's version change: the cache knows their cells, and nothing of the package.
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parents[1] / "build" / "docs-notebooks")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_output_stderr = "remove"
nb_execution_in_temp = True
