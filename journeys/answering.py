"""The verbs of who asks: stitch, publish, count. Each imports its room inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of


@app.command()
def stitch(config: Config = DEFAULT) -> None:
    """Stitch landed events into one path per customer and write the path store."""
    from journeys import pipeline

    pipeline.stitch(settings_of(config))


@app.command()
def report(
    config: Config = DEFAULT,
    site: Annotated[Path | None, typer.Option(help="Publish here instead of the configured folder.")] = None,
) -> None:
    """Publish the report site from the path store."""
    from journeys import pipeline

    pipeline.report(settings_of(config), site)


@app.command()
def funnel(
    steps: Annotated[list[str] | None, typer.Argument(help="Touchpoints in order; `stage:NAME` for a stage.")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; may be repeated.")] = None,
    window: Annotated[str, typer.Option(help="Longest time from the first step to the last.")] = "30d",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Count how many customers reach each step, and where they drop off. Without steps: the configured stages.

    Example: journeys funnel "Product page" Cart Order --by device --window 7d
    """
    from journeys import answers

    answers.funnel(settings_of(config), steps or [], by or [], window, printed_as(json=as_json, csv=as_csv))
