"""The verbs of who asks: stitch, publish, count. Each imports its room inside."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of

identity = typer.Typer(help="Why two identities are one customer, and how to part them.", no_args_is_help=True)
app.add_typer(identity, name="identity")


@app.command()
def stitch(
    config: Config = DEFAULT,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Stitch all events, not only what is new.")] = False,
    verify: Annotated[bool, typer.Option(help="Compute the paths anew and compare them with the stored ones.")] = False,
) -> None:
    """Stitch landed events into one path per customer and write the path store.

    Only what has landed since, and the customers it touches, are stitched again; the paths are those of --rebuild.
    With --verify nothing is written; ends with 1 when the stored paths are not what the events say.
    """
    from journeys.commands import steps as pipeline

    if not verify:
        pipeline.stitch(settings_of(config), rebuild=rebuild)
    elif not pipeline.verify(settings_of(config)):
        raise typer.Exit(1)


@app.command()
def report(
    config: Config = DEFAULT,
    site: Annotated[
        str | None, typer.Option(help="Publish here instead: a folder, or an address such as s3://bucket/site.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this page; may be repeated.")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column instead; may be repeated.")] = None,
    first_day: Annotated[str | None, typer.Option("--from", help="First day of the touches, as 2026-03-01.")] = None,
    last_day: Annotated[str | None, typer.Option("--to", help="Last day of the touches.")] = None,
    files: Annotated[
        bool, typer.Option(help="Also every chart as PNG and SVG, every frame as Parquet, a PDF.")
    ] = False,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Publish the report site from the path store.

    Example: journeys report --only stages --only trends --by device --from 2026-03-01 --open
    """
    from journeys.commands import steps as pipeline

    asked = {"pages": only, "segments": by, "first_day": first_day, "last_day": last_day, "files": files}
    published = pipeline.report(settings_of(config), site, **asked)
    if show:
        import webbrowser

        address = published.address
        webbrowser.open(address if "://" in address else Path(address).resolve().as_uri())


@app.command()
def serve(
    config: Config = DEFAULT,
    site: Annotated[Path | None, typer.Option(help="Show this folder instead of the configured one.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 8000,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Show the published report on this machine only, until interrupted.

    Example: journeys serve --port 0 --open
    """
    from journeys.commands.serve import serve as show_site

    settings = settings_of(config)
    show_site(site or Path(settings.beside(settings.report.site)), port, show=show)


@app.command()
def funnel(
    steps: Annotated[
        list[str] | None,
        typer.Argument(help="Touchpoints in order, or stages as `stage:NAME`; or the name of a configured funnel."),
    ] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; may be repeated.")] = None,
    window: Annotated[
        str | None, typer.Option(help="Longest time from first step to last; 30d, or for stages the report's.")
    ] = None,
    order: Annotated[str | None, typer.Option(help="ordered, strict or unordered.")] = None,
    maturity: Annotated[str | None, typer.Option(help="mature, clip or survival.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Touchpoint that ends an attempt between two steps; may be repeated.")
    ] = None,
    same: Annotated[
        list[str] | None, typer.Option(help="Column that is equal over all steps; may be repeated.")
    ] = None,
    count: Annotated[
        str | None, typer.Option(help="customers, sessions, journeys, entries, or a column whose values are counted.")
    ] = None,
    ties: Annotated[str | None, typer.Option(help="favourable, adverse or sequence.")] = None,
    attribution: Annotated[
        str | None, typer.Option(help="Whose value --by takes: at_entry, first, last, 'step 2', every.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="Number that is added up over the touches of each step.")] = None,
    start: Annotated[datetime | None, typer.Option(help="Only entries from this time on, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Only entries before this time, UTC.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Also draw it into this file.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Count how many customers reach each step, and where they drop off. Without steps: the configured stages.

    Example: journeys funnel "Product page" Cart Order --by device --window 7d
    """
    from journeys import answers

    rules = {"by": by, "window": window, "order": order, "maturity": maturity, "start": start, "end": end}
    rules |= {"exclude": exclude, "same": same, "count": count, "ties": ties, "attribution": attribution}
    rules |= {"value": value}
    answers.funnel(settings_of(config), steps or [], rules, printed_as(json=as_json, csv=as_csv), svg)


@identity.command()
def why(
    one: Annotated[str, typer.Argument(help="An identity as kind:value, such as customer_id:c123.")],
    other: Annotated[str, typer.Argument(help="Another identity.")],
    config: Config = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print the chain of evidence that makes two identities one customer."""
    from journeys import answers

    answers.why(settings_of(config), one, other, printed_as(json=as_json))


@identity.command()
def split(
    one: Annotated[str, typer.Argument(help="An identity as kind:value.")],
    other: Annotated[str, typer.Argument(help="The identity that it must not be linked with.")],
    reason: Annotated[str, typer.Option(help="Why, for those who ask later.")] = "",
    undo: Annotated[bool, typer.Option(help="Let the link hold again.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Remove the link between two identities, from the next `journeys stitch` on."""
    from journeys import answers

    answers.split(settings_of(config), one, other, reason, undo=undo)


@app.command()
def forget(
    customer: Annotated[str, typer.Argument(help="The customer, by any identity, as kind:value.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Remove a customer, with all identities, from every table and file of the lake, and print the proof."""
    from journeys import answers

    if not yes:
        typer.confirm(f"Remove everything of {customer}? This cannot be undone", abort=True)
    answers.forget(settings_of(config), customer)
