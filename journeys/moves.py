"""Questions about paths from the command line: the public functions, their arguments checked, their frames shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from expectations.errors import DefinitionError
from journeys import terminal
from journeys.asking import QUESTIONS, Asked, Question, checked

if TYPE_CHECKING:
    import polars as pl

    from analytics import Paths, Selection
    from journeys.settings import Settings

ROWS: Final = 40
"""Rows of an answer that a terminal shows; machines get all."""
TWO: Final = ("share", "count", "share_other", "count_other", "difference", "p_corrected")
"""The columns of a comparison for people."""


def show(settings: Settings, asked: Asked, how: terminal.As) -> None:
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
    from analytics.paths.view import known

    return [known(paths.values_of(on), word.strip(), on) for word in text.split(" | ")]


def _selection(paths: Paths, on: str, among: dict[str, list[str]]) -> Selection:
    from analytics import Selection

    names = {name: [word for each in given for word in _known(paths, on, each)] for name, given in among.items()}
    return Selection(start=names.get("start", ()), end=names.get("end", ()), through=names.get("through", ()))


def _pattern(paths: Paths, on: str, text: str) -> str:
    from analytics.paths.pattern_grammar import pattern
    from analytics.paths.view import known

    for name in pattern(text).names:
        known(paths.values_of(on), name, on)
    return text


def _group(paths: Paths, text: str) -> pl.Expr:
    """The condition that `COLUMN=VALUE` means."""
    import polars as pl

    from analytics.paths.view import known

    column, sign, value = text.partition("=")
    if not sign:
        raise DefinitionError("Two groups need a column and a value.", expected="COLUMN=VALUE", found=text)
    return pl.col(column) == known(paths.values_of(column), value, column)


def touchpoints(settings: Settings, how: terminal.As, *, urls: bool, raw: bool) -> None:
    """Touchpoints by count, or templates of addresses."""
    from analytics.touches import preview as preview
    from expectations.lake.tables import landed

    events = landed(settings.lake)
    rules = [] if raw else settings.paths.touchpoints
    answer = preview.url_templates(events) if urls else preview.touchpoints(events, rules)
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
