"""`python -m manual write FOLDER`, `python -m manual check FOLDER`: before and after the generator."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import typer

from manual.built import faults
from manual.pages import write_site

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def write(folder: Path) -> None:
    """Write the Markdown of the site, and what the generator needs beside it."""
    write_site(folder)


@app.command()
def check(folder: Path) -> None:
    """Put the Markdown beside every page that was built; end with 1 where a link is broken or the network is asked."""
    pages, site = folder / "pages", folder / "site"
    shutil.copytree(pages, site, dirs_exist_ok=True)
    found = faults(site, pages)
    for fault in found:
        typer.echo(fault, err=True)
    if found:
        sys.exit(1)
    size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    typer.echo(
        f"{site}/index.html: {len(list(site.rglob('*.html')))} pages, {size / 1e6:.1f} MB, every link leads somewhere"
    )


app()
