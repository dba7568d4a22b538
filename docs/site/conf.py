# The site of the course: what Sphinx is told by tools/site.py, which lays the sources out.
project = "Fine-Tuning Workbook"
author = "The Fine-Tuning Workbook authors"
copyright = "the Fine-Tuning Workbook authors (MIT)"  # noqa: A001 - Sphinx's name
language = "en"

extensions = ["myst_nb"]
nb_execution_mode = "off"  # what was run is stored in the notebooks
nb_merge_streams = True
myst_enable_extensions: list[str] = []  # no formulas: a $ is a dollar
myst_heading_anchors = 4  # as on GitHub
# Drawings in Mermaid stay as text: drawing them takes a script from elsewhere.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"  # light and dark, by the reader's system or choice
html_title = project
html_show_sphinx = False
html_copy_source = False
