"""The documentation as a site: the pages of the repository, and references that are written from the code.

`python -m manual write FOLDER` writes the Markdown, `python -m manual check FOLDER` reads what was built of it. It is
no part of the package that is installed.
"""
