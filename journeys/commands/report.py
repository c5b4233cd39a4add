"""`journeys report`: publish the report site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from journeys.app import DEFAULT, Config, On, app, settings_of


@app.command()
def report(
    config: Config = DEFAULT,
    site: Annotated[
        str | None, typer.Option(help="Publish here instead: a folder, or an address such as s3://bucket/site.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Publish only this page; repeatable.")] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="Break down by this column instead of the configured ones; repeatable.")
    ] = None,
    first_day: Annotated[str | None, typer.Option("--from", help="First day to report on, such as 2026-03-01.")] = None,
    last_day: Annotated[str | None, typer.Option("--to", help="Last day to report on.")] = None,
    files: Annotated[
        bool, typer.Option(help="Also write every chart as PNG and SVG, every table as Parquet, and a PDF.")
    ] = False,
    on: On = None,
    show: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
) -> None:
    """Publish the report as a site of HTML pages, from the path store.

    Example: journeys report --only customers --only change --by device --from 2026-03-01 --open
    """
    from journeys.commands import steps

    asked = {"pages": only, "segments": by, "first_day": first_day, "last_day": last_day, "files": files}
    published = steps.publish_report(settings_of(config), site, on, **asked)
    if show:
        import webbrowser

        address = published.address
        webbrowser.open(address if "://" in address else Path(address).resolve().as_uri())
    steps.complain_of_failures(published)
