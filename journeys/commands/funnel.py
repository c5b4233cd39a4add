"""`journeys funnel`: how many journeys reach each stage, or customers each step, and where they drop off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError, StorageError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.entrants import About, answer_about, show_about
from journeys.segmented import Only, columns_of, compared, funnel_of, members_only, with_segments_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import Funnel, Money, Paths
    from journeys.settings import Settings

BAR: Final = ""
"""Name of the column of bars."""
OPTIONAL_COLUMNS: Final = (BAR, "95 %", "wait", "open")
"""Columns that a narrow terminal leaves out, in this order."""
NAME_WIDTH: Final = 22
"""Width of a step's name, in characters."""


@app.command()
def funnel(
    steps: Annotated[
        list[str] | None,
        typer.Argument(
            help="Touchpoints in order, stages as `stage:NAME`, or the name of a configured funnel. Conditions follow "
            "in brackets: `Cart \\[device is phone and price >= 20]`."
        ),
    ] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="Longest time from the first step to the last (default 30d); without steps from the beginning of a "
            "journey to the goal (default that of the report)."
        ),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="How steps are matched: ordered (default), strict or unordered.")
    ] = None,
    maturity: Annotated[
        str | None,
        typer.Option(help="How customers still inside the window count: mature (default), clip or survival."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="A touchpoint that ends an attempt when it lies between steps; repeatable.")
    ] = None,
    same: Annotated[
        list[str] | None, typer.Option(help="A column that must be equal at all steps; repeatable.")
    ] = None,
    count: Annotated[
        str | None,
        typer.Option(
            help="What is counted: customers (default), sessions, journeys, entries, or the values of a column."
        ),
    ] = None,
    ties: Annotated[
        str | None, typer.Option(help="Order of touches at the same time: favourable (default), adverse or sequence.")
    ] = None,
    attribution: Annotated[
        str | None,
        typer.Option(
            help="Which touch the value of --by comes from: at_entry (default), first, last, 'step 2' or every."
        ),
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(
            help="A numeric column to add up: of the goal, less returns, or with steps at each step. Money is in the "
            "currency of the report."
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="With steps: count by the rules of another tool, such as posthog or mixpanel.")
    ] = None,
    begin: Annotated[str | None, typer.Option(help="Without steps: only journeys that begin in this stage.")] = None,
    goal: Annotated[
        str | None, typer.Option(help="Without steps: the goal of this name in journeys.toml; default the main one.")
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(help="Only entries, or journeys that begin, from this day or time, in the zone of the report."),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option(help="Only entries, or journeys that begin, before this day or time, in the zone of the report."),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            help="By the period in which entries, or journeys, begin: hour, day, week (from Monday), week_sunday or "
            "month, in the zone of the report."
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP",
            help="With steps: COLUMN=VALUE, segment:NAME or persona:NAME at entry against all others, or given twice "
            "the two against each other; `previous`: --start to --end against as long before.",
        ),
    ] = None,
    segment: Only = None,
    about: Annotated[
        About | None,
        typer.Option(
            help="With steps: of those who enter, how long they take (waits), the share that has converted by the time "
            "since (survival), who they are and how far they came (members), or whom the tool of --profile counts "
            "otherwise, by rule (difference)."
        ),
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Also draw the funnel into this SVG file.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Count how many journeys reach each stage and the goal; with steps, how many customers reach each of them.

    Example: journeys funnel "Product page" Cart Order --by device --window 7d
    """

    rules = {"by": by, "window": window, "order": order, "maturity": maturity, "start": start, "end": end}
    rules |= {"exclude": exclude, "same": same, "count": count, "ties": ties, "attribution": attribution}
    rules |= {"value": value, "profile": profile, "begin": begin, "goal": goal, "period": period, "segment": segment}
    rules |= {"about": about, "compare": compare}
    given, how = {name: value for name, value in rules.items() if value}, printed_as(json=as_json, csv=as_csv)
    if about and (svg or period):
        raise DefinitionError("--about has rows of its own.", do="leave out --svg and --period, or --about")
    if compare and (about or svg or period or by):
        raise DefinitionError("--compare has rows of its own.", do="leave out --about, --svg, --period and --by")
    if period and (svg or (steps and value)):
        wrong = "--svg" if svg else "--value"
        raise DefinitionError(f"{wrong} is of a funnel, not of its periods.", do=f"leave out {wrong}, or --period")
    show = show_funnel if steps else show_stages
    show(settings_of(config), steps or [], given, how, svg, on)


OF_STAGES: Final = ("by", "window", "start", "end", "value", "begin", "goal", "period", "segment")
"""The options of a funnel without steps."""


def show_stages(
    settings: Settings,
    _: list[str],
    rules: dict[str, Any],
    how: terminal.As,
    svg: Path | None = None,
    on: str | None = None,
) -> None:
    """Print how many journeys reach each stage, and the goal."""
    import polars as pl

    import analytics
    from reports.questions.money import amount_of

    if wrong := [name for name in rules if name not in OF_STAGES]:
        raise DefinitionError(
            f"--{wrong[0]} is an option of a funnel of steps.",
            expected=", ".join(f"--{name}" for name in OF_STAGES),
            do="name the steps, or leave it out: without steps, journeys are counted by stage",
        )
    paths, report = paths_on(settings, on).require_touches(), settings.report
    paths = members_only(settings, paths, rules.get("segment", ()), "journey")
    paths = with_segments_of(settings, paths, rules.get("by", ()))
    rules = {name: given for name, given in rules.items() if name != "segment"}
    rules |= {"by": columns_of(rules["by"])} if "by" in rules else {}
    goal = settings.goal(rules["goal"]) if "goal" in rules else settings.main_goal
    asked: dict[str, Any] = {
        "window": goal.horizon or report.window,
        "timezone": report.timezone,
        "returns": report.returns,
    }
    asked |= {**rules, "goal": goal}
    if "value" in rules:
        asked["value"] = amount_of(report, rules["value"])
    answer = analytics.stage_funnel(paths, **asked)
    named = _with_losses(answer)
    if svg is not None:
        _draw_file(svg, named)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    by, value = rules.get("by", []), rules.get("value") or ""
    window = terminal.text(analytics.goal_window(paths, asked["window"]))
    if rules.get("period"):
        values = ["value", "net_value"] if value else []
        _show_periods(named.filter(pl.col("kind") == "goal"), rules["period"], by, values)
        terminal.out.print(f"\nJourneys by when they begin, and the goal within {window}.", style="dim", markup=False)
        return
    for group in named.partition_by("is_total", *by, maintain_order=True):
        _print_group(group, by)
        _draw(group, "journeys", value)
    last = named.filter("is_total").row(-1, named=True)
    terminal.out.print(_stages_reading(last, window), style="dim", markup=False)
    if value:
        lines = [_money_reading(last), *_left_out(paths, asked["value"], last["value_left_out"])]
        terminal.out.print("\n".join(lines), style="dim", markup=False)


COMPARED: Final = ("count", "of", "share", "count_other", "of_other", "share_other", "difference", "p_corrected")
"""The columns of a comparison that a table shows, after the step."""
IN_PERIODS: Final = ("entered", "reached", "open", "share_of_entered", "share_of_entered_low", "share_of_entered_high")
"""The columns of a trend that a table shows."""


def _show_periods(answer: pl.DataFrame, period: str, by: Sequence[str], values: Sequence[str] = ()) -> None:
    """Print one row per period and group: its local day, or its beginning where it is shorter."""
    import polars as pl

    local = pl.col("period") if period == "hour" else pl.col("period").dt.date()
    for group in answer.with_columns(local).partition_by("is_total", *by, maintain_order=True):
        _print_group(group, by)
        terminal.show(group.select("period", *IN_PERIODS, *values), terminal.As.table)


def _with_losses(answer: pl.DataFrame) -> pl.DataFrame:
    """The journeys lost before each row, as a funnel of steps has them."""
    import polars as pl

    before = pl.col("reached").shift(1, fill_value=0)
    lost = pl.when(pl.col("step") > 1).then(before - pl.col("reached")).otherwise(0)
    return answer.with_columns(lost.alias("dropped"))


def _stages_reading(goal: dict[str, Any], window: str) -> str:
    lines = [
        f"\nOnly journeys that began at least {window} before the end of data: {goal['entered']:,}. "
        f"A stage is reached with a touch of it or of a later one, or the goal, within {window}.",
        "Went on: share of the stage before, with its 95 % interval, judged by customers; "
        "wait: the median since the nearest earlier stage.",
    ]
    if goal["entered"]:
        lines.append(
            f"{terminal.text(goal['share_of_entered'], 'share')} reach the goal by any route, "
            f"{terminal.text(goal['all_stages'] / goal['entered'], 'share')} through all stages in order."
        )
    lines.append(
        f"Beside these: {goal['direct']:,} direct journeys, of the goal alone; {goal['late']:,} that reached it later. "
        "Open: younger journeys, as far as they have come."
    )
    return "\n".join(lines)


def _money_reading(goal: dict[str, Any]) -> str:
    """What returns take off the value of the goals."""
    value = f"Value of the goals: {goal['value']:,.2f}"
    if goal["net_value"] is None:
        return f"{value}. Returns are not known: touches have no kind; name them as `returns` under [report]."
    nothing = f", {goal['returns_left_out']:,} of them without a known amount" if goal["returns_left_out"] else ""
    return f"{value}, less {goal['returns']:,} returns{nothing}: {goal['net_value']:,.2f}."


def _left_out(paths: Paths, value: str | Money, count: int) -> list[str]:
    """The amounts that are in no sum, with their currencies; nothing where there are none."""
    from analytics import Money, amounts_left_out

    found = amounts_left_out(paths, value) if count and isinstance(value, Money) else None
    if found is None:
        return []
    named = ", ".join(f"{row['currency'] or 'no currency'} {row['amounts']:,}" for row in found.head(5).to_dicts())
    return [f"{count:,} amounts cannot be converted and are left out (of all touches: {terminal.harmless(named)})."]


def show_funnel(
    settings: Settings,
    steps: list[str],
    rules: dict[str, Any],
    how: terminal.As,
    svg: Path | None = None,
    on: str | None = None,
) -> None:
    """Print a funnel over `steps` or a configured funnel, or more `about` its entrants; `rules` are its options."""
    import analytics

    for name in ("begin", "goal"):
        if name in rules:
            do = f"leave out the steps, or --{name}"
            raise DefinitionError(f"--{name} is an option of the funnel of stages.", do=do)
    paths, report = paths_on(settings, on), settings.report
    period, about, groups = rules.get("period"), rules.pop("about", None), rules.pop("compare", [])
    profile = rules.pop("profile", "") if about is About.difference else ""
    definition, only = checked_question(settings, paths, *named_question(settings, steps, rules))
    paths, definition = funnel_of(settings, paths, definition, only)
    value = definition.value.column if isinstance(definition.value, analytics.Money) else definition.value or ""
    if about is not None:
        show_about(about, answer_about(about, paths, definition, profile), definition, how)
        return
    if period:
        found = analytics.trend(paths, definition, period=period, timezone=report.timezone)
        if how is terminal.As.table:
            _show_periods(found, period, definition.by)
        else:
            terminal.show(found, how)
        return
    if groups:
        show_compared(settings, paths, definition, groups, how)
        return
    answer = analytics.funnel(paths, definition)
    if svg is not None:
        _draw_file(svg, answer)
    by, window = definition.by, terminal.text(definition.window)
    unit = definition.count
    counted = unit if unit in ("customers", "sessions", "journeys", "entries") else f"{unit} values"
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    for group in answer.partition_by("is_total", *by, maintain_order=True):
        _print_group(group, by)
        _draw(group, counted, value)
    terminal.out.print(_reading(answer, window, definition.maturity, counted), style="dim", markup=False)
    if definition.value is not None:
        left_out = int(answer.filter("is_total")["value_left_out"].sum())
        for line in _left_out(paths, definition.value, left_out):
            terminal.out.print(line, style="dim", markup=False)


def show_compared(
    settings: Settings, paths: Paths, definition: Funnel, groups: Sequence[str], how: terminal.As
) -> None:
    """Print the steps of a funnel in two groups, or in two periods."""
    found = compared(settings, paths, definition, groups)
    terminal.show(found if how is not terminal.As.table else found.select("name", *COMPARED), how)
    if how is terminal.As.table:
        reading = "Share: of those who entered, whose window is over. p corrected by Benjamini-Hochberg over the steps."
        terminal.out.print(f"\n{reading}", style="dim", markup=False)


def _print_group(group: pl.DataFrame, by: Sequence[str]) -> None:
    """Print the values that a group stands for; nothing without a breakdown."""
    if by:
        named = "all" if group["is_total"][0] else ", ".join(f"{name} {group[name][0] or '–'}" for name in by)
        terminal.out.print(f"\n{terminal.harmless(named)}", style="bold", markup=False)


def _draw_file(svg: Path, answer: pl.DataFrame) -> None:
    """Draw the funnel into a file."""
    from reports.charts.svg import funnel_svg

    try:
        svg.write_text(funnel_svg(answer), encoding="utf-8")
    except OSError as error:
        raise StorageError("The drawing cannot be written.", where=str(svg), found=error.strerror or "") from None


def named_question(settings: Settings, steps: list[str], rules: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The steps and rules of the configured funnel that a single step names, with the rules given beside it."""
    if len(steps) != 1 or steps[0] not in settings.funnels:
        return steps, rules
    named = settings.funnels[steps[0]]
    return named.steps, {"profile": named.profile, **named.rules, **rules}


def checked_question(
    settings: Settings, paths: Paths, steps: list[str], rules: dict[str, Any]
) -> tuple[Funnel, tuple[str, ...]]:
    """The funnel of steps and rules, whose words are words of the data, and the segments of those who enter it."""
    import analytics

    definition = analytics.check_words(paths, question(settings, steps, rules))
    analytics.check_conditions(paths, map(analytics.StepText.read, steps))
    return definition, tuple(rules.get("segment") or ())


def question(settings: Settings, steps: list[str], rules: dict[str, Any]) -> Funnel:
    """The funnel's definition, from steps and rules; times without a zone are the report's."""
    from analytics import Funnel, read_as, step_of
    from reports.questions.money import amount_of

    rules = {name: value for name, value in rules.items() if name not in ("period", "segment")}
    for name in ("start", "end"):
        if rules.get(name) and rules[name].tzinfo is None:
            rules[name] = rules[name].replace(tzinfo=settings.report.zone)
    if rules.get("value"):
        rules["value"] = amount_of(settings.report, rules["value"])
    profile = rules.pop("profile", None)
    definition = Funnel([step_of(word) for word in steps], **rules)
    return read_as(definition, profile) if profile else definition


def _draw(group: pl.DataFrame, counted: str, value: str) -> None:
    """Print the steps as a table with bars. A narrow terminal leaves out columns, so that no number is cut."""
    rows = [_cells(row, counted, value) for row in group.iter_rows(named=True)]
    columns = [name for name in rows[0] if name != BAR or not value]  # there is room for only one of the two
    terminal.print_columns([{name: row[name] for name in columns} for row in rows], NAME_WIDTH, OPTIONAL_COLUMNS)


def _cells(row: dict[str, Any], counted: str, value: str) -> dict[str, str]:
    """One step as text, by column."""
    later = row["step"] > 1
    cells = {
        "step": row["name"],
        BAR: terminal.bar(row["share_of_entered"], width=12),
        counted: terminal.text(row["reached"]),
        "lost": terminal.text(row["dropped"]) if later else "",
        "went on": terminal.text(row["share_of_previous"], "share") if later else "",
        "95 %": _interval(row) if later else "",
        "open": terminal.text(row["open"]),
        "wait": terminal.text(row["median_wait"]) if later else "",
    }
    return cells | ({value: "" if row["value"] is None else f"{row['value']:,.0f}"} if value else {})


def _interval(row: dict[str, Any]) -> str:
    low, high = row["share_of_previous_low"], row["share_of_previous_high"]
    return f"{low * 100:.1f}–{high * 100:.1f}" if row["enough"] else "too few"


def _reading(answer: pl.DataFrame, window: str, maturity: str, counted: str) -> str:
    total = answer.filter("is_total")
    open_, ties = total["open"][0], total["tie_sensitive"][0]
    population = {
        "mature": f"Only {counted} with the whole window of {window} before the end of data.",
        "clip": f"All who entered, within {window}; touches outside the range do not count.",
        "survival": f"All who entered; shares are estimates after {window} (Kaplan-Meier).",
    }[maturity]
    return (
        f"\n{population} Went on: share of the previous step, with its 95 % interval; "
        f"wait: the median.\nOpen: {open_:,} {counted} still inside their window, not counted as lost. "
        f"For {ties:,} {counted} the result depends on the order of simultaneous touches."
    )
