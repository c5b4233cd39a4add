"""The Routes page: which routes do customers take, and which of them lead to the goal?"""

from __future__ import annotations

import polars as pl

from reports.charts.canvas import NARROW, PAPER
from reports.charts.flow.flow import flow_of_paths
from reports.charts.flow.narrow import narrow_flow
from reports.charts.moves.graph import move_graph, narrow_move_graph
from reports.charts.moves.matrix import step_matrix
from reports.charts.moves.paths import commonest_paths, narrow_commonest_paths
from reports.charts.theme import specification
from reports.pages.cards import Page, Part
from reports.privacy.flow import published_links
from reports.privacy.paths import ABANDONED, MAX_TOUCHES, REACHED
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, tables
from reports.words.numbers import count, length, percent
from reports.words.subtitles import counted_journeys, dates, entry_dates, rounded_note

RARE_MOVE = 0.015


def routes_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """Flow, commonest whole paths, where customers are at each position, and moves between touchpoints."""
    cards = (card(answers, settings) for card in (flow_card, commonest_card, positions_card, moves_card))
    parts = tuple(part for part in cards if part is not None)
    if not parts:
        return None
    return Page(
        slug="routes",
        name="Routes",
        title="The routes customers take",
        lede="Journeys step by step across channels: from the first touch to the goal, or to where they are abandoned."
        + (" Consecutive repeats of a touchpoint are merged." if settings.collapse else ""),
        parts=parts,
    )


def flow_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """The flow of paths, or null where there is none."""
    published = answers.flow
    if published is None or published.nodes.is_empty():
        return None
    worth = headlines.journey_worth(answers.stages)
    return Part(
        id="flow",
        title=headlines.flow_headline(published, worth),
        subtitle=f"{headlines.flow_detail(published, answers.window, worth)}{count(published.units)} journeys begun "
        f"{entry_dates(answers)}, from their first touch. Colour: share that reaches the goal within "
        f"{length(answers.window)}." + rounded_note(published.rounded, settings),
        method=f"{counted_journeys(answers)} The {settings.flow_top} largest touchpoints per step, the "
        f"rest as "
        "“Other”. Grey: abandoned there; a journey still under way is not counted as left.",
        gesture="Point at a touchpoint to follow everyone who passed through it.",
        frame=published_links(published),
        table=tables.links_table(published.links),
    ).drawn(
        lambda: specification(flow_of_paths(published)),
        lambda: specification(narrow_flow(published)),
        lambda: specification(narrow_flow(published, width=PAPER)),
    )


def commonest_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """The commonest whole paths, or null where no path is common enough to be listed."""
    paths = answers.paths
    if paths is None or paths.is_empty():
        return None
    listed = float(paths["share"].sum())
    reached, lost = (paths.filter(pl.col("ended") == ending) for ending in (REACHED, ABANDONED))
    return Part(
        id="commonest",
        title=headlines.commonest_headline(reached, lost, headlines.journey_worth(answers.stages)),
        subtitle=f"Whole mature journeys, first touch to last, begun {entry_dates(answers)}: with the goal within "
        f"{length(answers.window)}, and without it. All paths that are not listed are {percent(max(0.0, 1 - listed))}.",
        method=f"{counted_journeys(answers)} Only paths of up to {MAX_TOUCHES} touches that at least "
        f"{settings.least} journeys took are listed, up to six of a kind.",
        frame=paths,
        table=tables.paths_table(paths),
    ).drawn(
        lambda: specification(commonest_paths(paths)),
        lambda: specification(narrow_commonest_paths(paths)),
        lambda: specification(commonest_paths(paths, PAPER)),
    )


def positions_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """The step matrix."""
    frame = answers.positions
    if frame is None or frame.filter(pl.col("kind") == "touchpoint").is_empty():
        return None
    return Part(
        id="positions",
        title="Where customers are at each step",
        subtitle=f"Share of all journeys (%), {dates(answers)}. Blank: nobody, or fewer than {settings.k}; <1: under "
        "one percent. The lower rows accumulate the journeys that have ended, or are still open, by then.",
        frame=frame,
        table=tables.positions_table(frame),
    ).drawn(
        lambda: specification(step_matrix(frame)),
        lambda: specification(step_matrix(frame, NARROW)),
        lambda: specification(step_matrix(frame, PAPER)),
    )


def moves_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """The graph of moves between touchpoints."""
    frame = answers.moves
    if frame is None or frame.is_empty():
        return None
    rounded = bool((frame["transitions"] % 10 == 0).all())
    return Part(
        id="moves",
        title="Moves between touchpoints",
        subtitle=f"Moves within journeys, {dates(answers)}. Circle area: visits. Arrow width: moves; moves rarer than "
        f"{percent(RARE_MOVE)} of journeys and repeats of one touchpoint are not drawn. Stages run from left to right: "
        "arrows that bend up go forward, arrows that bend down go back." + rounded_note(rounded, settings),
        gesture="Point at a touchpoint to see only its moves.",
        frame=frame,
        table=tables.moves_table(frame),
    ).drawn(
        lambda: specification(move_graph(frame, answers.stage_numbers, answers.goals, RARE_MOVE)),
        lambda: specification(narrow_move_graph(frame, answers.stage_numbers, answers.goals)),
        lambda: specification(narrow_move_graph(frame, answers.stage_numbers, answers.goals, PAPER)),
    )
