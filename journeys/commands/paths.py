"""The verbs of who asks how customers move: paths, and the touchpoints that paths are made of."""

from __future__ import annotations

from typing import Annotated

import typer

from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of

QUESTION = (
    "variants (default), flow, transitions, matrix, match PATTERN, conformance STEP..., deviations STEP..., effort, "
    "channels or handoffs."
)
Words = list[str] | None


@app.command()
def paths(
    question: Annotated[str | None, typer.Argument(help=QUESTION, show_default=False)] = None,
    words: Annotated[Words, typer.Argument(help="The pattern, or the steps of the designed path.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Follow paths from their first such touchpoint.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Follow paths back from their last such touchpoint.")] = None,
    by: Annotated[Words, typer.Option(help="Break down by this column; may be repeated.")] = None,
    compare: Annotated[str | None, typer.Option(help="COLUMN=VALUE: these against all others.")] = None,
    starts: Annotated[Words, typer.Option("--starts-with", help="Only paths that start with one of these.")] = None,
    ends: Annotated[Words, typer.Option("--ends-with", help="Only paths that end with one of these.")] = None,
    through: Annotated[Words, typer.Option(help="Only paths through this one; may be repeated.")] = None,
    unit: Annotated[str, typer.Option(help="Whose paths: journey, session or customer.")] = "journey",
    on: Annotated[str | None, typer.Option(help="What is followed: touchpoint, stage, channel, ...")] = None,
    depth: Annotated[int | None, typer.Option(help="Positions that are followed: 6, of a matrix 8.")] = None,
    top: Annotated[int | None, typer.Option(help="Paths, or touchpoints at each position, that are listed: 8.")] = None,
    gap: Annotated[str | None, typer.Option(help="A pause that ends a flow, such as 7d.")] = None,
    detour: Annotated[Words, typer.Option(help="A touchpoint that the design allows anywhere; repeatable.")] = None,
    at: Annotated[str | None, typer.Option(help="Hand-offs at each value of this column, such as stage.")] = None,
    collapse: Annotated[
        bool | None, typer.Option("--collapse/--repeats", help="Join repeats of one touchpoint, or not: as configured.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Show how customers really move: the commonest whole paths; with --from or --to, where they go or come from.

    Examples: journeys paths --from "Product page" --to Order --by device

    journeys paths match "Cart (?!Order)* $" --compare device=mobile
    """
    from journeys import moves
    from journeys.asking import Asked

    rules = {"by": by, "unit": unit, "on": on, "depth": depth, "top": top, "gap": gap, "at": at, "collapse": collapse}
    rules |= {"start": start, "end": end, "detour": detour, "compare": compare}
    among = {"start": starts, "end": ends, "through": through}
    named = question or ("flow" if start or end else "variants")
    asked = Asked(
        named,
        tuple(words or ()),
        {name: value for name, value in rules.items() if value is not None},
        {name: value for name, value in among.items() if value},
    )
    moves.show(settings_of(config), asked, printed_as(json=as_json, csv=as_csv))


@app.command()
def touchpoints(
    urls: Annotated[bool, typer.Option("--urls", help="Group the addresses instead, as rules could.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="As the events are named, without the configured rules.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Preview the touchpoints that landed events become, by count; with --urls templates for addresses."""
    from journeys import moves

    moves.touchpoints(settings_of(config), printed_as(json=as_json, csv=as_csv), urls=urls, raw=raw)
