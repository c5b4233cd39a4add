"""`journeys change`: at which step and in which segment did a conversion change between two periods?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, Days, app, days_given, printed_as, settings_of
from journeys.commands.funnel import checked_question, named_question
from journeys.segmented import Only, columns_of, funnel_of, with_segments_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import Funnel
    from journeys.settings import Settings

ROWS: Final = 8
"""Rows of a family of segments that a table shows; JSON and CSV contain all rows."""
DAYS: Final = "28d"
NEGLIGIBLE: Final = 0.2
"""A mix did not matter when its intervals lie within this share of the change, on either side of 0."""
CLEAR: Final = 0.05
NAME_WIDTH: Final = 26
"""Width of the first column, in characters."""


@app.command()
def change(
    steps: Annotated[
        list[str],
        typer.Argument(help="Touchpoints in order, stages as `stage:NAME`, or the name of a configured funnel."),
    ],
    before: Annotated[
        str | None, typer.Option(help="Days of entry of the earlier period, both included: 2026-02-01..2026-02-25.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Days of entry of the later period, both included.")] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            help=f"Compare the last days whose windows are over with as many before them: 28d (default {DAYS})."
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Split by this column; repeatable. Several joined by commas are split jointly; '*' is every attribute "
            "and context column."
        ),
    ] = None,
    of: Annotated[
        str, typer.Option(help="What is split: the rate, the number of goals, or their value (with --value).")
    ] = "rate",
    value: Annotated[
        str | None, typer.Option(help="A numeric column; of money in the currency of the report. Needed by --of value.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="Longest time from the first step to the last (default 30d).")
    ] = None,
    segment: Only = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Split the change of a conversion between two periods by step and segment, into mix and rate.

    Example: journeys change checkout --before 2026-02-01..2026-02-25 --after 2026-02-26..2026-03-05 --by device
    """
    rules = {name: each for name, each in (("value", value), ("window", window)) if each}
    asked = {"by": by or [], "of": of, "segment": segment or []}
    periods = {"before": before, "after": after, "compare": compare}
    show_change(settings_of(config), steps, rules, periods, asked, printed_as(json=as_json, csv=as_csv))


def show_change(
    settings: Settings,
    steps: list[str],
    rules: dict[str, Any],
    periods: dict[str, str | None],
    asked: dict[str, Any],
    how: terminal.As,
) -> None:
    """Print the parts of the change of a funnel over `steps`, or of a configured funnel."""
    import analytics

    paths, zone = analytics.Paths.open(settings.lake), settings.report.timezone
    definition, only = checked_question(settings, paths, *named_question(settings, steps, rules))
    days = _days(periods, paths.end_of_data, definition.window, settings)
    words = [name.split(",") for name in asked["by"]]
    paths, definition = funnel_of(settings, paths, definition, [*only, *asked.get("segment", ())])
    paths = with_segments_of(settings, paths, [word for several in words for word in several])
    named = [tuple(columns_of(several)) if len(several) > 1 else columns_of(several)[0] for several in words]
    answer = analytics.change(
        paths,
        definition,
        **{
            period: (analytics.day_start(first, zone), analytics.day_start(last + timedelta(days=1), zone))
            for period, (first, last) in days.items()
        },
        by="*" if named == ["*"] else named,
        of=asked["of"],
    )
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    _print(answer, definition, days)


def _days(
    periods: dict[str, str | None], end_of_data: datetime | None, window: timedelta, settings: Settings
) -> dict[str, Days]:
    """The days of both periods."""
    before, after, compare = (periods[name] for name in ("before", "after", "compare"))
    if bool(before) != bool(after) or (compare and before):
        raise DefinitionError("Two periods are compared.", expected="--before and --after, or --compare alone")
    if before and after:
        return {"before": days_given("before", before), "after": days_given("after", after)}
    length = _length(compare or DAYS)
    assert end_of_data is not None, "paths with touches have an end"
    over = (end_of_data - window).astimezone(settings.report.zone).date()
    return {
        "before": (over - 2 * length, over - length - timedelta(days=1)),
        "after": (over - length, over - timedelta(days=1)),
    }


def _length(text: str) -> timedelta:
    import analytics

    length = analytics.duration(text)
    if length < timedelta(days=1) or length % timedelta(days=1):
        raise DefinitionError("Periods are of whole days.", where="--compare", expected="such as 28d", found=text)
    return length


def _print(answer: pl.DataFrame, definition: Funnel, days: dict[str, Days]) -> None:
    """Print the change, its factors, the largest rows of each family, and a sentence."""
    import polars as pl

    if answer.is_empty():
        terminal.out.print("There are no touches.", markup=False)
        return
    total, unit = answer.row(0, named=True), _Unit(answer["of"][0])
    whole = f"{unit.level(total['before'])} → {unit.level(total['after'])}, {unit.signed(total['contribution'])}"
    ends = _interval(total, unit)
    title = " → ".join(definition.name_of(step) for step in (1, len(definition.steps)))
    terminal.out.print(f"{title}: {whole}{f' ({ends})' if total['enough'] else ''}", style="bold", markup=False)
    periods = " against ".join(f"{first} to {last}" for first, last in (days["after"], days["before"]))
    terminal.out.print(f"{periods}, by day of entry\n", style="dim", markup=False)
    factors = answer.filter("is_total").slice(1)
    _table([{"part": row["name"] or row["effect"], **_cells(row, unit)} for row in factors.to_dicts()])
    for (family,), rows in answer.filter(~pl.col("is_total")).group_by("family", maintain_order=True):
        _print_family(str(family), rows, unit)
    lines = [
        sentence(answer),
        "Parts of steps add up to the change, mix and rate of all segments to their step. Mix: the segment's share of "
        "those at the step before; rate: its share that went on. 95 %: by replicates of customers.",
    ]
    if total["value_left_out"]:
        lines.append(f"{total['value_left_out']:,} amounts cannot be converted and are left out.")
    if total["share_cut"]:
        lines.append(
            f"Intervals are approximate: from values cut at their 99 % point, without {total['share_cut']:.1%} of the "
            "sum.".replace("%", " %", 1)
        )
    terminal.out.print("\n" + "\n".join(lines), markup=False)


def _print_family(family: str, rows: pl.DataFrame, unit: _Unit) -> None:
    """Print the largest rows of a family of segments."""
    terminal.out.print(f"\nby {terminal.harmless(family)}", style="bold", markup=False)
    largest = rows[rows["contribution"].abs().arg_sort(descending=True)].head(ROWS)
    _table(
        [
            {"segment": segment_of(row), "step": row["name"], "effect": row["effect"], **_cells(row, unit)}
            for row in largest.to_dicts()
        ]
    )
    if len(rows) > ROWS:
        terminal.out.print(f"{len(rows) - ROWS:,} smaller rows: --json lists all", style="dim", markup=False)


def segment_of(row: dict[str, Any]) -> str:
    """The values of a row's segment; an unknown one is a dash."""
    return " × ".join("–" if row[name] is None else str(row[name]) for name in row["family"].split(" × "))


def _table(rows: list[dict[str, str]]) -> None:
    """Print rows; a narrow terminal leaves out what can be computed from the rest."""
    terminal.print_columns(rows, NAME_WIDTH, ("of the change", "before", "after"))


def _cells(row: dict[str, Any], unit: _Unit) -> dict[str, str]:
    """The numbers of a row as text."""
    level = _Unit("goals" if row["effect"] in ("volume", "value") else "rate").level
    return {
        "before": level(row["before"]),
        "after": level(row["after"]),
        "adds": unit.signed(row["contribution"]),
        "95 %": _interval(row, unit) if row["enough"] else "too few",
        "of the change": terminal.text(row["share_of_change"], "share"),
    }


def _interval(row: dict[str, Any], unit: _Unit) -> str:
    if row["contribution_low"] is None:
        return ""
    return f"{unit.number(row['contribution_low'])} to {unit.number(row['contribution_high'])}"


class _Unit:
    """How numbers of a change are written: rates in per cent and points, goals and values as they are."""

    def __init__(self, of: str) -> None:
        self._is_rate = of == "rate"
        self.noun = {"rate": "rate", "goals": "number of goals", "value": "value"}[of]

    def level(self, number: float | None) -> str:
        """A number of one period."""
        if number is None:
            return "–"
        return terminal.text(number, "share") if self._is_rate else f"{number:,.1f}".removesuffix(".0")

    def number(self, number: float) -> str:
        """A difference without its unit."""
        return f"{number * 100:+.1f}" if self._is_rate else f"{number:+,.1f}".removesuffix(".0")

    def signed(self, number: float) -> str:
        """A difference."""
        return f"{self.number(number)} points" if self._is_rate else self.number(number)

    def size(self, number: float) -> str:
        """A difference without its sign."""
        return self.signed(abs(number)).removeprefix("+")


def sentence(answer: pl.DataFrame) -> str:
    """What the change comes from, in a sentence: only parts that are clear beyond chance are named."""
    total, *parts = answer.filter("is_total").to_dicts()
    unit, fell = _Unit(total["of"]), total["contribution"] < 0
    moved = f"The {unit.noun} {'fell' if fell else 'rose'} by {unit.size(total['contribution'])}"
    if not total["enough"]:
        return f"{moved}; too few customers to say more."
    if not _is_clear(total):
        return f"{moved}, which may be chance."
    with_it = [row for row in parts if _is_clear(row) and (row["contribution"] < 0) == fell]
    if not with_it:
        return f"{moved}; no part of it is clear beyond chance."
    part = max(with_it, key=lambda row: abs(row["contribution"]))
    named = (
        part["name"]
        if part["effect"] == "step"
        else {"volume": "how many enter", "value": "the mean value of a goal"}[part["effect"]]
    )
    says = [f"{moved}: {unit.size(part['contribution'])} of it at {terminal.harmless(named)}"]
    rows = [row for row in answer.filter(~answer["is_total"]).to_dicts() if row["step"] == part["step"]]
    rates = [row for row in rows if row["effect"] == "rate" and _is_clear(row) and (row["contribution"] < 0) == fell]
    if part["effect"] == "step" and rates:
        most = max(rates, key=lambda row: abs(row["contribution"]))
        where = f"{most['family']} is {segment_of(most)}"
        says[0] += f", {unit.size(most['contribution'])} of that where {terminal.harmless(where)}"
    bound = NEGLIGIBLE * abs(total["contribution"])
    for family in dict.fromkeys(row["family"] for row in rows):
        mixes = [row for row in rows if row["family"] == family and row["effect"] == "mix"]
        if all(row["enough"] and max(-row["contribution_low"], row["contribution_high"]) <= bound for row in mixes):
            says.append(f"the mix of {terminal.harmless(family)} did not matter there")
    return "; ".join(says) + "."


def _is_clear(row: dict[str, Any]) -> bool:
    return row["enough"] and row["p_corrected"] is not None and row["p_corrected"] < CLEAR
