"""`journeys report`: publish the report site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from expectations.errors import DefinitionError, InputError
from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, On, app, settings_of


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
    pptx: Annotated[
        Path | None,
        typer.Option(help="Also write every card as a slide to this file (PowerPoint); needs the extra slides."),
    ] = None,
    on: On = None,
    show: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
) -> None:
    """Publish the report as a site of HTML pages, from the path store.

    Example: journeys report --only customers --only change --by device --from 2026-03-01 --open
    """
    from journeys.commands import steps

    asked = {"pages": only, "segments": by, "first_day": first_day, "last_day": last_day, "files": files}
    published = steps.publish_report(settings_of(config), site, on, with_slides=pptx is not None, **asked)
    if pptx is not None and published.slides is not None:
        _write(pptx, published.slides)
        terminal.out.print(f"  {pptx}", markup=False, soft_wrap=True)
    if show:
        import webbrowser

        address = published.address
        webbrowser.open(address if "://" in address else Path(address).resolve().as_uri())
    steps.complain_of_failures(published)


@app.command()
def brief(
    out: Annotated[
        Path | None, typer.Option(help="Write the page to this file instead; - is standard output, for a mail command.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Of the site here, instead of the configured one.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Give the page to the command of \\[brief] instead.")] = False,
    as_json: AsJson = False,
    config: Config = DEFAULT,
) -> None:
    """Print the brief of the newest report: what moved, where to act first, alerts, targets.

    The page has no script and fewer than 100,000 bytes; every number in it stands on the site.

    Example: journeys brief --out brief.html
    """
    import json
    import sys

    from reports.site.brief import as_text
    from reports.site.publish import newest_brief

    if (out is not None) + as_json + send > 1:
        raise DefinitionError("A brief is written in one form.", expected="--out, --json or --send")
    settings = settings_of(config)
    page, content = newest_brief(str(site or settings.beside(settings.report.site)))
    if send:
        from journeys.reported.briefs import send_brief

        send_brief(settings, page)
        terminal.out.print(f"  brief: {len(page):,} bytes, sent")
    elif out is None:
        lines = "\n".join(map(terminal.harmless, as_text(content).split("\n")))
        text = json.dumps(content, ensure_ascii=False, indent=1) if as_json else lines
        terminal.out.print(text, markup=False, soft_wrap=True, highlight=False)
    elif str(out) == "-":
        sys.stdout.buffer.write(page)
    else:
        _write(out, page)
        terminal.out.print(f"  {out}: {len(page):,} bytes", markup=False, soft_wrap=True)


def _write(file: Path, content: bytes) -> None:
    """Write a file. Raises `InputError` where that is not possible."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise InputError("The file cannot be written.", where=str(file), found=error.strerror or str(error)) from error
