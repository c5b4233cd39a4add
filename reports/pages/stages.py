"""The Stages page: which customers go on from stage to stage, and which touchpoints make up a stage?"""

from __future__ import annotations

import polars as pl

from reports.charts.stages.segments import has_far, narrow_segment_dots, segment_dots
from reports.charts.theme import specification
from reports.pages.cards import Page, Part
from reports.privacy.stages import SHOWN, WITHHELD
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, tables
from reports.words.numbers import count
from reports.words.subtitles import State, population, withheld_note


def stages_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """Every breakdown in full, then the touchpoints of every stage."""
    segments = segments_card(answers, settings)
    if segments is None:
        return None
    parts = (segments, definitions(answers))
    return Page(
        slug="stages",
        name="Stages",
        title="Which customers go on, stage by stage",
        lede=f"Conversion from stage to stage of every group with at least {count(settings.least)} customers.",
        parts=tuple(part for part in parts if part is not None),
    )


def segments_card(answers: Answers, settings: ReportSettings, max_groups: int | None = None) -> Part | None:
    """Every step by every group; of `max_groups` only the dimensions that differ most. Null without a breakdown."""
    frame = answers.segments
    if frame is None or frame.is_empty():
        return None
    short = frame if max_groups is None else _most_different(frame, max_groups)
    drawable = not short.filter(pl.col("state") == SHOWN).is_empty()
    left_out = frame["dimension"].n_unique() - short["dimension"].n_unique()
    return Part(
        id="segments" if max_groups is None else "segments-short",
        title=headlines.segments_headline(short),
        subtitle=f"{population(answers, settings)} Share of the customers at one stage who go on to the next, with its "
        "95 % interval (Wilson). Dashed: all customers. ▲ clearly above and ▼ clearly below the rest, ○ no clear "
        "difference (Benjamini–Hochberg over all dots, 5 %). An association, not proof of a cause."
        + (" ‹ › beyond the scale of its column." if has_far(short) else "")
        + (f" See the Stages page for {left_out} more breakdowns." if left_out else "")
        + withheld_note(short, settings),
        frame=short,
        table=tables.segments_table(short),
        state=None if drawable else _nothing(short, settings),
    ).drawn(
        lambda: specification(segment_dots(short, settings.least)),
        lambda: specification(narrow_segment_dots(short, settings.least)),
    )


def _nothing(frame: pl.DataFrame, settings: ReportSettings) -> State:
    """The reason why no group is shown."""
    if (frame["state"] == WITHHELD).any():
        text = f"Every group would reveal fewer than {settings.k} customers, directly or by subtraction."
        return State("▒", "Withheld to protect privacy", text)
    text = f"A rate needs at least {settings.least} of them."
    return State(f"n < {settings.least}", "Too few customers in every group", text)


def definitions(answers: Answers) -> Part | None:
    """Touchpoints by stage, as a table."""
    used = answers.used
    if used is None or used.is_empty():
        return None
    order = {name: position for position, name in enumerate(answers.stages["name"])}
    used = used.sort(pl.col("stage").replace_strict(order, default=len(order)), maintain_order=True)
    return Part(
        id="definitions",
        title="What counts as which stage",
        subtitle="Touchpoints of every stage, by the share of the stage's customers who used them.",
        frame=used,
        table=tables.used_table(used),
    )


def _most_different(frame: pl.DataFrame, max_groups: int) -> pl.DataFrame:
    """The dimensions in which customers differ most, as many as fit and at least one, in their original order."""
    clear = pl.col("verdict").is_in(["above", "below"])
    weight = (pl.col("difference").abs() * pl.col("previous").sqrt()).filter(clear).max()
    ranked = frame.group_by("dimension", maintain_order=True).agg(
        weight=weight.fill_null(0.0), groups=pl.col("segment").n_unique()
    )
    kept: list[str] = []
    room = max_groups
    for row in ranked.sort("weight", descending=True, maintain_order=True).iter_rows(named=True):
        if not kept or row["groups"] <= room:
            kept.append(row["dimension"])
            room -= row["groups"]
    return frame.filter(pl.col("dimension").is_in(kept))
