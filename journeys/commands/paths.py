"""`journeys paths` and `journeys touchpoints`: how customers move, and the touchpoints that paths are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError, nearest
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import Paths, Selection
    from journeys.settings import Settings

QUESTION = (
    "variants (default), flow, transitions, matrix, match PATTERN, conformance STEP..., deviations STEP..., effort, "
    "channels or handoffs."
)
Words = list[str] | None
TWO: Final = ("share", "count", "share_other", "count_other", "difference", "p_corrected")
"""The columns of a comparison for people."""
ROWS: Final = 40
"""Rows of an answer that a terminal shows; machines get all."""


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
    pass

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
    show_answer(settings_of(config), asked, printed_as(json=as_json, csv=as_csv))


@app.command()
def touchpoints(
    urls: Annotated[bool, typer.Option("--urls", help="Group the addresses instead, as rules could.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="As the events are named, without the configured rules.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Preview the touchpoints that landed events become, by count; with --urls templates for addresses."""

    show_touchpoints(settings_of(config), printed_as(json=as_json, csv=as_csv), urls=urls, raw=raw)


@dataclass(frozen=True)
class Question:
    """A question: the function that answers it, what it takes, the columns for people, how to read them."""

    function: str
    shown: tuple[str, ...]
    takes: tuple[str, ...] = ("on", "collapse")
    words: str = ""
    reading: str = ""


RATE: Final = "Goal rate: of the paths that are over."


SHARES: Final = ("units", "share", "goal_rate", "goal_rate_without", "difference", "p_corrected")


QUESTIONS: Final = {
    "variants": Question(
        "variants",
        ("path", "units", "share", "share_of_customers", "goal_rate", "median_duration"),
        ("on", "collapse", "top"),
        reading=f"Share: of all paths. Share of customers: of all who have a path. {RATE}",
    ),
    "flow": Question(
        "flow",
        ("position", "source", "target", "units", "share_of_source", "median_wait", "converted"),
        ("on", "collapse", "start", "end", "depth", "top", "gap"),
        reading="A path counts once at each position. Converted: of the units, those that reach the goal in the end.",
    ),
    "transitions": Question(
        "transitions",
        ("source", "target", "transitions", "customers", "share_of_source", "median_wait", "p95_wait"),
        reading="A path begins at START and leads to one of three ENDs.",
    ),
    "matrix": Question(
        "step_matrix",
        ("position", "node", "units", "share"),
        ("on", "collapse", "depth"),
        reading="Share of all paths at each position; those that are over stay at their END.",
    ),
    "match": Question(
        "match",
        ("units", "matching", "share", "customers", "median_position", "goal_rate", "goal_rate_without"),
        words='a pattern, such as "Cart (?!Order)* $"',
        reading=f"Share: of all paths. {RATE}",
    ),
    "conformance": Question(
        "conformance",
        (
            "units",
            "exact",
            "exact_share",
            "mean_fitness",
            "skips",
            "inserts",
            "repeats",
            "goal_rate_exact",
            "goal_rate_other",
        ),
        ("on", "collapse", "detour"),
        words="the steps of the designed path",
        reading=f"Fitness: 1 is the design, 0 nothing of it. {RATE}",
    ),
    "deviations": Question(
        "deviations",
        ("kind", "step", "name", *SHARES),
        ("on", "collapse", "detour"),
        words="the steps of the designed path",
        reading=f"Step: the skipped one, or the last done. Difference: of the goal rates with and without it. {RATE}",
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
        reading="Repeats to slow: touches. Entropy: bits; 0 means that one thing always follows.",
    ),
    "channels": Question(
        "channels",
        ("reach", "channel", "units", "share", "goal_rate", "median_touches", "median_duration"),
        ("on",),
        reading=f"Rows without a channel are all paths of that reach. {RATE}",
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
        reading="Lost: the last touch of an abandoned path was a hand-off. Staying: the same of touches without one.",
    ),
}


COMMON: Final = ("by", "unit", "compare")


@dataclass(frozen=True)
class Asked:
    """What was asked: the question, its words, its options, and which paths are read (`start`, `end`, `through`)."""

    question: str
    words: tuple[str, ...]
    options: dict[str, Any]
    among: dict[str, list[str]] = field(default_factory=dict)


def checked(asked: Asked) -> Question:
    """The question, when there is one of that name that takes these words and options."""
    if asked.question not in QUESTIONS:
        raise DefinitionError(
            f"There is no question {asked.question!r} about paths.",
            expected=f"one of {', '.join(QUESTIONS)}",
            do=nearest(asked.question, QUESTIONS),
        )
    question = QUESTIONS[asked.question]
    if bool(asked.words) != bool(question.words):
        expected = question.words or "options only"
        raise DefinitionError(f"`journeys paths {asked.question}` takes {expected}.", found=" ".join(asked.words))
    options = {"start": "--from", "end": "--to"}
    if wrong := [name for name in asked.options if name not in (*question.takes, *COMMON)]:
        takes = [options.get(name, f"--{name}") for name in (*question.takes, *COMMON)]
        found = options.get(wrong[0], f"--{wrong[0]}")
        raise DefinitionError(f"`journeys paths {asked.question}` has no {found}.", expected=", ".join(takes))
    if {"by", "compare"} <= set(asked.options):
        raise DefinitionError("Two groups are compared, or several are listed.", expected="either --compare or --by")
    return question


def show_answer(settings: Settings, asked: Asked, how: terminal.As) -> None:
    """Answer a question about paths."""
    import analytics

    question = checked(asked)
    paths = analytics.Paths.open(settings.lake)
    if not len(paths):
        raise DefinitionError("There are no touches to ask about.", do="land events, then run `journeys stitch`")
    words, options = _arguments(settings, paths, asked)
    function = getattr(analytics, question.function)
    compared = options.pop("compare", None)
    if compared is not None:
        answer = analytics.compare(paths, function, *words, group=_group(paths, compared), **options)
    else:
        answer = function(paths, *words, **options)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    _print(question, answer, asked, None if compared is None else TWO)


def _print(question: Question, answer: pl.DataFrame, asked: Asked, instead: tuple[str, ...] | None) -> None:
    """The answer as a table with how to read it."""
    if answer.is_empty():
        terminal.out.print("No path is like that: nothing to show.")
        return
    groups = list(asked.options.get("by", [])) + ([asked.options["at"]] if "at" in asked.options else [])
    shown = [name for name in answer.columns if name in question.shown or name in groups or name in (instead or ())]
    kept = shown if instead is None else [n for n in answer.columns if n in instead or n not in _measures(answer)]
    table = answer.select(kept)
    if asked.question == "matrix" and instead is None:
        table = _wide(table, groups)
    terminal.show(table.head(ROWS), terminal.As.table)
    if len(table) > ROWS:
        terminal.out.print(f"{len(table) - ROWS:,} more rows: --csv or --json has all.", style="dim")
    reading = (
        question.reading
        if instead is None
        else (
            f"Share: of those with {asked.options['compare']}; other: of all others. p corrected: Benjamini-Hochberg."
        )
    )
    terminal.out.print(f"\n{reading}", style="dim", markup=False)


def _measures(answer: pl.DataFrame) -> list[str]:
    """The columns of a comparison that are not keys of its cells."""
    return answer.columns[answer.columns.index("count") :]


def _wide(cells: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """A step matrix with a column a position."""
    import polars as pl

    places = sorted(cells["position"].unique())
    wide = cells.with_columns(pl.format("share {}", "position").alias("position")).pivot(
        on="position", index=[*groups, "node"], values="share", aggregate_function="first"
    )
    names = [f"share {place}" for place in places]
    over = pl.col("node").str.starts_with("END_")
    return wide.select(*groups, "node", *names).sort(
        *groups, over, pl.sum_horizontal(names), descending=[*(False for _ in groups), False, True], nulls_last=True
    )


def _arguments(settings: Settings, paths: Paths, asked: Asked) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the function, every name among them a name of the data."""
    from analytics import Design

    options = dict(asked.options)
    if "collapse" in QUESTIONS[asked.question].takes:
        options.setdefault("collapse", settings.report.collapse)
    on = options.get("on", "channel" if asked.question in ("channels", "handoffs") else "touchpoint")
    for name in ("start", "end"):
        if name in options:
            options[name] = _known(paths, on, options[name])
    if asked.among:
        options["among"] = _selection(paths, on, asked.among)
    if asked.question == "match":
        return [_pattern(paths, on, " ".join(asked.words))], options
    if asked.question in ("conformance", "deviations"):
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


def _known(paths: Paths, on: str, text: str) -> list[str]:
    """The values that `A | B` means, each one that occurs."""
    from analytics import known_value

    return [known_value(paths.values_of(on), word.strip(), on) for word in text.split(" | ")]


def _selection(paths: Paths, on: str, among: dict[str, list[str]]) -> Selection:
    from analytics import Selection

    names = {name: [word for each in given for word in _known(paths, on, each)] for name, given in among.items()}
    return Selection(start=names.get("start", ()), end=names.get("end", ()), through=names.get("through", ()))


def _pattern(paths: Paths, on: str, text: str) -> str:
    from analytics import known_value, parse_pattern

    for name in parse_pattern(text).names:
        known_value(paths.values_of(on), name, on)
    return text


def _group(paths: Paths, text: str) -> pl.Expr:
    """The condition that `COLUMN=VALUE` means."""
    import polars as pl

    from analytics import known_value

    column, sign, value = text.partition("=")
    if not sign:
        raise DefinitionError("Two groups need a column and a value.", expected="COLUMN=VALUE", found=text)
    return pl.col(column) == known_value(paths.values_of(column), value, column)


def show_touchpoints(settings: Settings, how: terminal.As, *, urls: bool, raw: bool) -> None:
    """Touchpoints by count, or templates of addresses."""
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
    reading = "Each template may be the `url` of a touchpoint rule; {id} stands for any one part of an address."
    if not urls:
        reading = "Templates: kinds of addresses under the name; `journeys touchpoints --urls` lists them."
    more = f"{len(answer) - ROWS:,} more rows: --csv or --json has all. " if len(answer) > ROWS else ""
    terminal.out.print(f"\n{more}{reading}", style="dim", markup=False)
