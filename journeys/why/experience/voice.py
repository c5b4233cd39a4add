"""`journeys voice`: what customers say, by theme; quotes that a person approves; words for the codebook; what they
answer to questions whose answers are chosen from a list; how many answer at all.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import ConfigurationError, DefinitionError, StorageError, nearest
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, paths_on, printed_as, settings_of
from journeys.segmented import columns_of, grouped_by, with_segments_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from analytics import Theme
    from journeys.settings import Settings

NOTE: Final = (
    "Share: of all texts in the group; a text may have several themes. Low: NPS up to 6, CSAT up to 2, CES up to 3, of "
    "the texts with a score, against all other texts. 95 % intervals, judged by customers."
)
SCORES_NOTE: Final = (
    "NPS from -1 to 1, CSAT from 0 to 1, CES from 1 to 7, of answers whose last touch before them lies within the "
    "lookback and has a value. 95 % intervals, judged by customers."
)
RATE: Final = (
    "Answered: invitations that are 14 days old, with an answer to their survey within 14 days. Open: younger ones. "
    "Uninvited: answers without an invitation. 95 % (Wilson, judged by customers)."
)
LAST: Final = "Of the customers who answered the question in the group, by the last answer of each. 95 % (Wilson)."
voice = typer.Typer(
    help="Count scores, invitations, answers and themes, approve quotes, find words.", no_args_is_help=True
)
app.add_typer(voice, name="voice")


@voice.command()
def themes(
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Count the themes of the codebook in the texts of answers, and how many of them come with a low score.

    Example: journeys voice themes --by stage
    """
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    import analytics

    book = _codebook(settings)
    texts = analytics.landed_texts(settings.lake)
    paths, groups = grouped_by(settings, by or [])
    answer = analytics.themes(paths, book, texts, by=groups)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    terminal.show(_themes_table(answer, groups), how)
    odd = analytics.theme_words(texts.rows["text"], book).filter(state="common").iter_rows(named=True)
    lines = [NOTE, *(f"{row['theme']}: {row['word']!r} is in more than half of all texts." for row in odd)]
    terminal.out.print("\n" + "\n".join(map(terminal.harmless, lines)), style="dim", markup=False)


@voice.command()
def invitations(
    by: Annotated[list[str] | None, typer.Option(help="Break down by this column; repeatable.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Count the invitations to each survey, and which share was answered.

    An invitation is a touch of a touchpoint of `asked` in \\[voice], an answer any touch with a score; both name their
    survey.

    Example: journeys voice invitations --by channel
    """
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    import polars as pl

    import analytics

    paths, groups = grouped_by(settings, by or [])
    asked, known = settings.voice.asked, paths.values_of("touchpoint").to_list()
    if not set(asked) & set(known):
        raise DefinitionError(
            f"No touch is an invitation: none is of {' or '.join(asked)}.",
            expected="an event per invitation, with its survey, and the name of its touchpoint in asked of [voice]",
            do=nearest(asked[0], known),
        )
    there = tuple(name for name in asked if name in known)
    score = analytics.Step("*", pl.col("score").is_not_null())
    answer = analytics.response_rate(paths, analytics.Step(there), score, by=groups)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    rows = answer.to_dicts()
    named = terminal.named_groups(answer, groups)
    counts = ("invitations", "answered", "open", "uninvited", "customers")
    shown = {name: named[name] for name in (*groups, "survey", *counts)}
    shown["response rate"] = pl.Series([terminal.share_text(row, "response_rate") for row in rows], dtype=pl.String)
    terminal.show(pl.DataFrame(shown), how)
    terminal.out.print(f"\n{RATE}", style="dim", markup=False)


@voice.command("answers")
def coded(
    by: Annotated[list[str] | None, typer.Option(help="By this column instead of the stage; repeatable.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Count how many customers give each answer to the questions of \\[\\[voice.questions]], stage by stage.

    Example: journeys voice answers --by device
    """
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    import analytics

    questions = settings.voice.questions
    if not questions:
        raise ConfigurationError(
            "There is no question.",
            where=str(settings.file.path),
            expected="[[voice.questions]] with a code, a text and answers",
            do='add one, such as code = "fair", text = "The price is fair", answers = { yes = "Agrees", no = "No" }',
        )
    given = analytics.landed_answers(settings.lake, questions)
    paths = paths_on(settings, None).require_touches()
    groups = by if by is not None else ["stage"] if "stage" in paths.schema else []
    paths = with_segments_of(settings, paths, groups)
    answer = analytics.coded_answers(paths, questions, given, by=(names := columns_of(groups)))
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    terminal.show(_answers_table(answer, names), how)
    lines = [LAST, *(f"{each.code}: {each.text}" for each in questions)]
    terminal.out.print("\n" + "\n".join(map(terminal.harmless, lines)), style="dim", markup=False)


@voice.command()
def scores(
    by: Annotated[
        list[str] | None, typer.Option(help="A column of the touch before the answer; repeatable. Default: stage.")
    ] = None,
    lookback: Annotated[str, typer.Option(help="How long before an answer this touch may lie.")] = "7d",
    start: Annotated[
        datetime | None, typer.Option(help="Only answers from this day or time, in the zone of the report.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option(help="Only answers before this day or time, in the zone of the report.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Show NPS, CSAT and CES with their intervals, by stage or another column of the touch before the answer.

    Example: journeys voice scores --by channel --lookback 3d
    """
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    import analytics

    paths, groups = grouped_by(settings, by or ["stage"])
    zone = settings.report.zone
    first, last = (at and at.replace(tzinfo=at.tzinfo or zone) for at in (start, end))
    answer = analytics.voice(paths, by=groups, start=first, end=last, lookback=lookback)
    if how is not terminal.As.table:
        terminal.show(answer, how)
        return
    terminal.show(_scores_table(answer, groups), how)
    terminal.out.print(f"\n{SCORES_NOTE}", style="dim", markup=False)


def _scores_table(answer: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """Number, score and interval of each survey that has an answer; groups without any are left out."""
    import polars as pl

    from analytics import SURVEY_SCALES

    surveys = [name for name in SURVEY_SCALES if answer[f"{name}_n"].sum()]
    texts = []
    for name in surveys:
        ends = pl.concat_str(pl.col(f"{name}_low").round(2), pl.lit("–"), pl.col(f"{name}_high").round(2))
        texts += [pl.col(f"{name}_n"), pl.col(name).round(2), ends.alias(f"{name} 95 %")]
    shown = answer.filter(pl.col("is_total") | (pl.col("responses") > 0))
    return terminal.named_groups(shown, groups).select(*groups, "responses", *texts)


@voice.command()
def quotes(
    theme: Annotated[str | None, typer.Option(help="Only texts of this theme.")] = None,
    approve: Annotated[list[str] | None, typer.Option(metavar="ID", help="Approve this quote; repeatable.")] = None,
    most: Annotated[int, typer.Option(min=1, help="At most so many per theme.")] = 20,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """List redacted texts by theme, and approve those that a report may show.

    An approval is a line with the id in the file that \\[voice] names. It is lost when the text changes. Rules cannot
    know every name: read a text before you approve it.

    Examples: journeys voice quotes --theme Payment

    journeys voice quotes --approve 0a1b2c3d4e5f6071
    """
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    import analytics

    book = _codebook(settings)
    names = [one.name for one in book]
    if theme is not None and theme not in names:
        expected = f"one of {', '.join(names)}"
        raise DefinitionError(f"There is no theme {theme!r}.", expected=expected, do=nearest(theme, names))
    file = Path(settings.beside(settings.voice.approved_file))
    known = analytics.approved_ids(file)
    paths = paths_on(settings, None).require_touches()
    found = analytics.quotes(paths, book, analytics.landed_texts(settings.lake), only=approve or None)
    if approve:
        _approve(file, [each for each in approve if each not in known], found)
        return
    rows = found if theme is None else found.filter(theme=theme)
    rows = rows.with_columns(approved=rows["id"].is_in(known)).group_by("theme", maintain_order=True).head(most)
    terminal.show(rows.select("theme", "id", "approved", "responses", "quote"), how)


@voice.command()
def suggest(
    groups: Annotated[int, typer.Option(min=1, help="At most so many groups per class of scores.")] = 12,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Print words that stand together in texts without a theme, as lines for journeys.toml. You name the theme.

    Example: journeys voice suggest --groups 6
    """
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    import analytics

    paths = paths_on(settings, None).require_touches()
    found = analytics.suggest_themes(paths, settings.voice.themes, analytics.landed_texts(settings.lake), groups=groups)
    if how is not terminal.As.table:
        terminal.show(found, how)
        return
    if found.is_empty():
        terminal.out.print("Too few texts are without a theme, or no word is in three of them.")
    for row in found.iter_rows(named=True):
        words = ", ".join(f'"{word}"' for word in row["words"])
        told = f"# {row['responses']:,} of {row['texts']:,} texts without a theme, scores: {row['scores']}"
        lines = (told, "[[voice.themes]]", 'name = "..."', f"any = [{words}]", "")
        terminal.out.print("\n".join(map(terminal.harmless, lines)), markup=False, soft_wrap=True)


def _codebook(settings: Settings) -> Sequence[Theme]:
    """The themes. Raises `ConfigurationError` without any."""
    if not settings.voice.themes:
        raise ConfigurationError(
            "There is no codebook.",
            where=str(settings.file.path),
            expected="[[voice.themes]] with a name and words",
            do='add one, such as name = "Payment", any = ["pay*", "card"]; journeys voice suggest finds words',
        )
    return settings.voice.themes


def _approve(file: Path, ids: list[str], found: pl.DataFrame) -> None:
    """Writes a line for each id. Raises `DefinitionError` for one that no text has."""
    there = dict(found.select("id", "theme").iter_rows())
    if unknown := [each for each in ids if each not in there]:
        raise DefinitionError(
            f"No text has the id {unknown[0]!r}.",
            expected="an id that journeys voice quotes prints now; another text has another id",
        )
    try:
        with file.open("a", encoding="utf-8") as lines:
            lines.writelines(f"{each}  {there[each]}\n" for each in ids)
    except OSError as error:
        raise StorageError("The approval cannot be written.", where=str(file), found=error.strerror or "") from error
    for each in ids:
        quote = found.filter(id=each)["quote"][0]
        terminal.out.print(f"Approved for reports: {terminal.harmless(quote)}", markup=False, soft_wrap=True)


def _answers_table(answer: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The columns that a terminal shows, without the answers that nobody in a group gave."""
    import polars as pl

    told = answer.filter((pl.col("customers") > 0) | pl.col("is_total"))
    rows: list[dict[str, Any]] = told.to_dicts()
    shown = {
        "question": told["question"],
        "answer": ["(another)" if row["answer"] is None else row["says"] for row in rows],
        "wished": ["yes" if row["is_wished"] else "" for row in rows],
        "customers": told["customers"],
        "of": told["answered"],
        "share": [terminal.share_text(row, "share") for row in rows],
    }
    groups = terminal.named_groups(told, by)
    return pl.DataFrame({**{name: groups[name] for name in by}, **shown})


def _themes_table(answer: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The columns that a terminal shows."""
    import polars as pl

    rows: list[dict[str, Any]] = answer.to_dicts()
    shown = {
        "theme": [row["theme"] or "(no theme)" for row in rows],
        "texts": answer["responses"],
        "share": [terminal.share_text(row, "share_of_texts") for row in rows],
        "scored": answer["scored"],
        "low scores": [terminal.share_text(row, "low_rate") for row in rows],
        "of others": [terminal.text(row["low_rate_others"], "low_rate_others") for row in rows],
        "p": [terminal.text(row["p_corrected"], "p_corrected") for row in rows],
    }
    groups = terminal.named_groups(answer, by)
    return pl.DataFrame({**{name: groups[name] for name in by}, **shown})
