"""`journeys paths` and `journeys touchpoints`: which paths customers take, and how events become touchpoints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError, nearest
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, paths_on, printed_as, settings_of
from journeys.segmented import Only, columns_of, group_of, members_only, with_segments_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import Paths, Selection
    from journeys.settings import Settings

QUESTION = (
    "variants (default), flow, transitions, matrix, match PATTERN, conformance STEP..., deviations STEP..., "
    "steps STEP..., effort, channels or handoffs."
)
Words = list[str] | None
COMPARED: Final = ("share", "count", "share_other", "count_other", "difference", "p_corrected")
"""The columns of a comparison that a table shows."""
JOURNEY: Final = "journey:"
ROWS: Final = 40
"""Rows that a table shows; JSON and CSV contain all rows."""


@app.command()
def paths(
    question: Annotated[str | None, typer.Argument(help=QUESTION, show_default=False)] = None,
    words: Annotated[
        Words, typer.Argument(help="The pattern of `match`, or the designed path: its steps, or journey:NAME.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Follow each path from its first touch of this touchpoint.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Follow each path backwards from its last touch of this touchpoint.")
    ] = None,
    by: Annotated[Words, typer.Option(help="Break down by this column; repeatable.")] = None,
    compare: Annotated[
        str | None,
        typer.Option(help="COLUMN=VALUE: these paths against all others; segment:NAME or persona:NAME its members."),
    ] = None,
    starts: Annotated[
        Words,
        typer.Option("--starts-with", help="Only paths that start with this touchpoint; repeatable, one must match."),
    ] = None,
    ends: Annotated[
        Words, typer.Option("--ends-with", help="Only paths that end with this touchpoint; repeatable, one must match.")
    ] = None,
    through: Annotated[Words, typer.Option(help="Only paths that contain this touchpoint; repeatable.")] = None,
    unit: Annotated[str, typer.Option(help="What one path is: a journey, a session or a customer.")] = "journey",
    on: Annotated[
        Words,
        typer.Option(
            help="Column whose values form the path: touchpoint, stage, channel, ... An address such as "
            "spark://HOST:PORT or sc://HOST:PORT is the cluster of Spark that counts; both can be given."
        ),
    ] = None,
    depth: Annotated[int | None, typer.Option(help="Number of positions; default 6, for a matrix 8.")] = None,
    top: Annotated[
        int | None, typer.Option(help="Number of paths to list, or of touchpoints per position; default 8.")
    ] = None,
    gap: Annotated[
        str | None, typer.Option(help="Longest time between touches before a flow ends, such as 7d.")
    ] = None,
    detour: Annotated[
        Words, typer.Option(help="A touchpoint that the designed path allows anywhere; repeatable.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Count hand-offs by the values of this column, such as stage.")] = None,
    collapse: Annotated[
        bool | None,
        typer.Option(
            "--collapse/--repeats", help="Join repeats of a touchpoint, or keep them; default: as configured."
        ),
    ] = None,
    first: Annotated[
        datetime | None,
        typer.Option("--start", help="Only paths that begin from this day or time, in the zone of the report."),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--end", help="Only paths that begin before this day or time, in the zone of the report."),
    ] = None,
    segment: Only = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Show which paths customers take: the most frequent ones, or with --from or --to where they go or come from.

    Examples: journeys paths --from "Product page" --to Order --by device

    journeys paths match "Cart (?!Order)* $" --compare device=mobile
    """
    column, cluster = column_and_cluster(on or [])
    rules: dict[str, Any] = {
        "by": by,
        "unit": unit,
        "on": column,
        "depth": depth,
        "top": top,
        "gap": gap,
        "at": at,
        "collapse": collapse,
    }
    rules |= {"source": start, "target": end, "detour": detour, "compare": compare, "start": first, "end": last}
    among = {"start": starts, "end": ends, "through": through}
    named = question or ("flow" if start or end else "variants")
    asked = Asked(
        named,
        tuple(words or ()),
        {name: value for name, value in rules.items() if value is not None},
        {name: value for name, value in among.items() if value},
        tuple(segment or ()),
    )
    show_answer(settings_of(config), asked, printed_as(json=as_json, csv=as_csv), cluster)


def column_and_cluster(on: list[str]) -> tuple[str | None, str | None]:
    """What --on gives: a column, the address of a cluster, or both. No name of a column has `://`."""
    clusters = [each for each in on if "://" in each or each.startswith("local[")]
    columns = [each for each in on if each not in clusters]
    if len(columns) > 1 or len(clusters) > 1:
        raise DefinitionError(
            "--on takes one column and one cluster.", expected="--on stage --on spark://HOST:PORT", found=" ".join(on)
        )
    return next(iter(columns), None), next(iter(clusters), None)


@app.command()
def touchpoints(
    urls: Annotated[bool, typer.Option("--urls", help="List templates of page addresses instead.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Show the names of the events, without the configured rules.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Preview the touchpoints that landed events become, with counts; with --urls, templates of page addresses."""

    show_touchpoints(settings_of(config), printed_as(json=as_json, csv=as_csv), urls=urls, raw=raw)


@dataclass(frozen=True)
class Question:
    """A question about paths: the function that answers it, its options, the columns to show, how to read them."""

    function: str
    shown: tuple[str, ...]
    takes: tuple[str, ...] = ("on", "collapse")
    words: str = ""
    reading: str = ""


RATE: Final = "Goal rate: reached within 30 days (or the journey gap), of the paths that began so long before the end."


DESIGNED: Final = "the steps of the designed path, or journey:NAME of [[journeys]]"


SHARES: Final = ("units", "share_of_units", "goal_rate", "goal_rate_without", "difference", "p_corrected")


QUESTIONS: Final = {
    "variants": Question(
        "variants",
        ("path", "units", "share_of_units", "share_of_customers", "goal_rate", "median_duration"),
        ("on", "collapse", "top"),
        reading=f"Share: of all paths. Share of customers: of all customers with a path. {RATE}",
    ),
    "flow": Question(
        "flow",
        ("position", "source", "target", "units", "share_of_source", "median_wait", "mature", "reached"),
        ("on", "collapse", "source", "target", "depth", "top", "gap"),
        reading="A path counts once at each position. Reached: how many of the mature units reach the goal in time.",
    ),
    "transitions": Question(
        "transitions",
        ("source", "target", "transitions", "customers", "share_of_source", "median_wait", "p95_wait"),
        reading="A path begins at START and ends at one of three END nodes.",
    ),
    "matrix": Question(
        "step_matrix",
        ("position", "node", "units", "share_of_units"),
        ("on", "collapse", "depth"),
        reading="Share of all paths at each position; paths that are over stay at their END node.",
    ),
    "match": Question(
        "match",
        ("units", "matching", "share_of_units", "customers", "median_position", "goal_rate", "goal_rate_without"),
        words='a pattern, such as "Cart (?!Order)* $"',
        reading=f"Share: of all paths. {RATE}",
    ),
    "conformance": Question(
        "conformance",
        (
            "units",
            "exact",
            "exact_share_of_units",
            "mean_fitness",
            "skips",
            "inserts",
            "repeats",
            "goal_rate_exact",
            "goal_rate_other",
        ),
        ("on", "collapse", "detour"),
        words=DESIGNED,
        reading=f"Fitness: 1 for the designed path itself, 0 for nothing of it. {RATE}",
    ),
    "deviations": Question(
        "deviations",
        ("kind", "step", "name", *SHARES),
        ("on", "collapse", "detour"),
        words=DESIGNED,
        reading=f"Step: the skipped or the last one. Difference: goal rate with less without the deviation. {RATE}",
    ),
    "steps": Question(
        "designed_steps",
        ("step", "name", "done", "skipped", "share_of_units", "fall_through", "fall_out", "goal_rate"),
        ("on", "collapse", "detour"),
        words=DESIGNED,
        reading=f"Fall-through: went on to a later step or the goal; fall-out: did neither. {RATE}",
    ),
    "effort": Question(
        "effort",
        (
            "stage",
            "units",
            "touches_per_unit",
            "repeats",
            "backtracks",
            "handoffs",
            "errors",
            "slow",
            "next_entropy",
        ),
        (),
        reading="Repeats to slow: numbers of touches. Entropy: bits; 0 means that the next touch is always the same.",
    ),
    "channels": Question(
        "channels",
        ("reach", "channel", "units", "share_of_units", "goal_rate", "median_touches", "median_duration"),
        ("on",),
        reading=f"Rows without a channel count all paths of that reach. {RATE}",
    ),
    "handoffs": Question(
        "handoffs",
        (
            "source",
            "target",
            "handoffs",
            "customers",
            "share_of_source",
            "median_wait",
            "lost",
            "lost_share",
            "lost_share_staying",
        ),
        ("on", "at"),
        reading="Lost: hand-offs after which the path was abandoned. Staying: the same for touches without a hand-off.",
    ),
}


COMMON: Final = ("by", "unit", "compare", "start", "end")


@dataclass(frozen=True)
class Asked:
    """The arguments: the question, its words, its options, and which paths are read (`start`, `end`, `through`, and the
    segments that they begin in).
    """

    question: str
    words: tuple[str, ...]
    options: dict[str, Any]
    among: dict[str, list[str]] = field(default_factory=dict)
    segments: tuple[str, ...] = ()


def checked(asked: Asked) -> Question:
    """Look up the question, and raise DefinitionError when its name, words or options are invalid."""
    question = QUESTIONS.get(asked.question) or _registered(asked.question)
    if question is None:
        raise DefinitionError(
            f"`journeys paths` has no question {asked.question!r}.",
            expected=f"one of {', '.join(QUESTIONS)}",
            do=nearest(asked.question, QUESTIONS),
        )
    if bool(asked.words) != bool(question.words):
        expected = question.words or "options only"
        raise DefinitionError(f"`journeys paths {asked.question}` takes {expected}.", found=" ".join(asked.words))
    options = {"source": "--from", "target": "--to"}
    if wrong := [name for name in asked.options if name not in (*question.takes, *COMMON)]:
        takes = [options.get(name, f"--{name}") for name in (*question.takes, *COMMON)]
        found = options.get(wrong[0], f"--{wrong[0]}")
        raise DefinitionError(f"`journeys paths {asked.question}` has no {found}.", expected=", ".join(takes))
    if {"by", "compare"} <= set(asked.options):
        raise DefinitionError("--compare and --by exclude each other.", expected="either --compare or --by")
    return question


def _registered(name: str) -> Question | None:
    """The question of a measure of paths that has no entry here: all its columns are shown."""
    from analytics import MEASURES

    measure = MEASURES.get(name)
    return Question(name, tuple(measure.analysis.SCHEMA)) if measure and "collapse" in measure.keywords else None


def show_answer(settings: Settings, asked: Asked, how: terminal.As, on: str | None = None) -> None:
    """Answer a question about paths, and print the result."""
    import analytics

    question = checked(asked)
    paths, named = paths_on(settings, on).require_touches(), asked.options.get("by", [])
    paths = members_only(settings, paths, asked.segments, asked.options.get("unit", "journey"))
    paths = with_segments_of(settings, paths, [*named, asked.options.get("compare", "")])
    asked = replace(asked, options=asked.options | ({"by": columns_of(named)} if named else {}))
    words, options = _arguments(settings, paths, asked)
    function = analytics.MEASURES[question.function].function
    compared = options.pop("compare", None)
    if compared is not None:
        answer = analytics.compare(paths, function, *words, group=group_of(paths, compared), **options)
    else:
        answer = function(paths, *words, **options)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    _print(question, answer, asked, None if compared is None else COMPARED)


def _print(question: Question, answer: pl.DataFrame, asked: Asked, instead: tuple[str, ...] | None) -> None:
    """Print the result as a table, with a line that says how to read it."""
    if answer.is_empty():
        terminal.out.print("No path matches: nothing to show.")
        return
    groups = list(asked.options.get("by", [])) + ([asked.options["at"]] if "at" in asked.options else [])
    shown = [name for name in answer.columns if name in question.shown or name in groups or name in (instead or ())]
    kept = shown if instead is None else [n for n in answer.columns if n in instead or n not in _measures(answer)]
    if instead is None and groups:
        answer = _with_all(answer, asked.options.get("by", []))
    table = answer.select(kept)
    if asked.question == "matrix" and instead is None:
        table = _wide(table, groups)
    terminal.show(table.head(ROWS), terminal.As.table)
    if len(table) > ROWS:
        terminal.out.print(f"{len(table) - ROWS:,} more rows: use --csv or --json to get all.", style="dim")
    reading = (
        question.reading
        if instead is None
        else (
            f"Share: of paths with {asked.options['compare']}; other: of all others. p corrected by Benjamini-Hochberg."
        )
    )
    terminal.out.print(f"\n{reading}", style="dim", markup=False)


def _with_all(answer: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Names the rows over all groups."""
    import polars as pl

    total = pl.col("is_total")
    return answer.with_columns(
        pl.when(total).then(pl.lit("all")).otherwise(pl.col(n).cast(pl.String)).alias(n) for n in by
    )


def _measures(answer: pl.DataFrame) -> list[str]:
    """The columns of a comparison that do not identify its rows."""
    return answer.columns[answer.columns.index("count") :]


def _wide(cells: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """A step matrix with one column per position."""
    import polars as pl

    positions = sorted(cells["position"].unique())
    wide = cells.with_columns(pl.concat_str(pl.lit("share "), "position").alias("position")).pivot(
        on="position", index=[*groups, "node"], values="share_of_units", aggregate_function="first"
    )
    names = [f"share {position}" for position in positions]
    over = pl.col("node").str.starts_with("END_")
    return wide.select(*groups, "node", *names).sort(
        *groups, over, pl.sum_horizontal(names), descending=[*(False for _ in groups), False, True], nulls_last=True
    )


def _arguments(settings: Settings, paths: Paths, asked: Asked) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the function; names of touchpoints and columns are checked against the data."""
    from analytics import Design

    options = dict(asked.options)
    for name in ("start", "end"):
        if (at := options.get(name)) is not None:
            options[name] = at.replace(tzinfo=at.tzinfo or settings.report.zone)
    if "collapse" in checked(asked).takes:
        options.setdefault("collapse", settings.report.collapse)
    on = options.get("on", "channel" if asked.question in ("channels", "handoffs") else "touchpoint")
    for name in ("source", "target"):
        if name in options:
            options[name] = _known(paths, on, options[name])
    if asked.among:
        options["among"] = _selection(paths, on, asked.among)
    if asked.question == "match":
        return [_pattern(paths, on, " ".join(asked.words))], options
    if checked(asked).words == DESIGNED:
        if asked.words[0].startswith(JOURNEY):
            return _designed_of(settings, asked, options)
        steps = [_known(paths, on, step) for step in asked.words]
        detours = [word for each in options.pop("detour", []) for word in _known(paths, on, each)]
        return [Design(steps, detours)], options
    if asked.question == "effort":
        options["stages"] = list(dict.fromkeys(stage.name for stage in settings.paths.stages))
        options |= {"load_seconds": "load_seconds"} if "load_seconds" in paths.schema else {}
    if asked.question == "matrix":
        options["depth"] = options.get("depth", 8)
    if asked.question == "variants":
        options["top"] = options.get("top", 8)
    return [], options


def _designed_of(settings: Settings, asked: Asked, options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The designed path of a journey of [[journeys]], read as its target of conformance reads it."""
    from journeys.products import products_in

    name = " ".join(asked.words).removeprefix(JOURNEY)
    following = products_in(settings, [name])[0].following
    if following["designed"] is None:
        raise DefinitionError(f"The journey {name!r} has no designed path.", expected="designed, with its steps")
    if wrong := [option for option in ("on", "collapse", "detour") if option in asked.options]:
        raise DefinitionError(
            f"--{wrong[0]} has no place beside the designed path of a journey, which says what it is of.",
            expected="the steps themselves instead of journey:NAME",
        )
    return [following.pop("designed")], options | following


def _known(paths: Paths, on: str, text: str) -> list[str]:
    """Split `A | B` into values, which may stand in double quotes, and check that each occurs in the data."""
    from analytics import StepText, known_value

    values = paths.values_of(on)
    if text in values:
        return [text]
    words = [word.strip() for word in text.split(" | ")]
    if not all(word in values for word in words) and '"' in text:
        words = list(StepText.read(text).any_of)
    return [known_value(values, word, on) for word in words]


def _selection(paths: Paths, on: str, among: dict[str, list[str]]) -> Selection:
    from analytics import Selection

    names = {name: [word for text in texts for word in _known(paths, on, text)] for name, texts in among.items()}
    return Selection(start=names.get("start", ()), end=names.get("end", ()), through=names.get("through", ()))


def _pattern(paths: Paths, on: str, text: str) -> str:
    from analytics import known_value, parse_pattern

    for name in parse_pattern(text).names:
        known_value(paths.values_of(on), name, on)
    return text


def show_touchpoints(settings: Settings, how: terminal.As, *, urls: bool, raw: bool) -> None:
    """Print touchpoints with counts, or templates of page addresses."""
    from analytics import preview_touchpoints, url_templates
    from expectations.lake.tables import landed

    events = landed(settings.lake)
    rules = [] if raw else settings.paths.touchpoints
    answer = url_templates(events) if urls else preview_touchpoints(events, rules)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    if "touchpoint" in answer.columns:
        answer = answer.with_columns(answer["touchpoint"].fill_null("(dropped)"))
    terminal.show(answer.head(ROWS), how)
    reading = "A template can be the `url` of a touchpoint rule; {id} stands for any one part of an address."
    if not urls:
        reading = "Templates: different page addresses under this name; `journeys touchpoints --urls` lists them."
    more = f"{len(answer) - ROWS:,} more rows: use --csv or --json to get all. " if len(answer) > ROWS else ""
    terminal.out.print(f"\n{more}{reading}", style="dim", markup=False)
