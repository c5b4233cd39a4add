"""The Routes page: which routes do customers take, and which of them lead to the goal?"""

from __future__ import annotations

import polars as pl

from reports.charts.canvas import NARROW, PAPER
from reports.charts.flow.flow import flow_of_paths
from reports.charts.flow.narrow import narrow_flow
from reports.charts.moves.credit import credit_dots
from reports.charts.moves.families import family_rows, narrow_family_rows
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
from reports.words.numbers import count, length, percent, quoted
from reports.words.subtitles import counted_journeys, dates, entry_dates, rounded_note

RARE_MOVE = 0.015


def routes_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """Routes to the goal, flow, credit, commonest whole paths, where customers are at each position, and moves."""
    asked = (families_card, flow_card, credit_card, commonest_card, positions_card, moves_card)
    cards = (card(answers, settings) for card in asked)
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


def families_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """All routes to the goal by families: what each brings, what it takes and how it felt; null where there are few."""
    frame = answers.families
    if frame is None:
        return None
    window, overall = length(answers.window), answers.stages["share_of_entered"][-1]
    dashed = "" if overall is None else f" Dashed: all, {percent(overall)}."
    felt = " Satisfied: CSAT 4 or 5, up to 7 days after the goal." if frame["csat"].count() else ""
    worth = ", effort and value" if frame["value_per_goal"].count() else " and effort"
    near = (
        " Nearly there: the share of its journeys that had been in the last stage before the goal’s; from 90 % on its "
        "rate says little, and is not compared."
        if frame["late_share"].count()
        else ""
    )
    return Part(
        id="families",
        title=headlines.families_headline(frame),
        subtitle=f"All routes to {quoted(answers.goal)}, of journeys begun {entry_dates(answers)}, by their touches "
        f"before it. A higher rate is no reason to lead customers there.{dashed}{felt}",
        method="A journey belongs to the first family that fits; “direct” ones have nothing but the goal, and no rate. "
        f"Goal rate: of mature journeys, within {window}; 95 % (Wilson, judged by customers). Of journeys with the "
        f"goal: time and touches are medians, hand-offs{worth} are "
        f"means. Effort: repeats, back-tracks, hand-offs and errors.{near} ▾ is clearly below all routes; where "
        f"a dashed line stands for these, ○ is not clearly apart from them. Families of fewer than {settings.least} "
        f"customers are left out; shares are rounded so that they cover {settings.k} customers or more.",
        frame=frame,
        table=tables.families_table(frame, answers.currency),
    ).drawn(
        lambda: specification(family_rows(frame, overall)),
        lambda: specification(narrow_family_rows(frame, overall)),
        lambda: specification(narrow_family_rows(frame, overall, is_paper=True)),
    )


def credit_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """Which channels get the credit, and where credit and effect part; null where there are too few."""
    frame = answers.credit
    if frame is None:
        return None
    window = length(answers.window)
    return Part(
        id="credit",
        title=headlines.credit_headline(frame),
        subtitle=headlines.credit_detail(frame)
        + "Credit shares out what happened. It does not say what would have happened without the channel; an "
        "experiment does.",
        method="As shares of the goals: ○ last touch before the goal, ● what would be lost without the channel "
        f"(Markov), ◆ goals more on paths with it. Touches within {window} before each goal earn its credit; Markov, "
        f"of order 1, also reads the paths without a goal. The effect compares paths that are followed for {window} "
        "from their first touch, with the channel and without it, times the paths with it: customers choose what they "
        "meet, so it is no proof either. Its line is the 95 % interval. Credit and effect part where their intervals "
        "have nothing in common. "
        f"Shares are rounded so that they cover {settings.k} customers or more." + _costs_method(frame),
        frame=frame,
        table=tables.credit_table(frame),
    ).drawn(
        lambda: specification(credit_dots(frame)),
        lambda: specification(credit_dots(frame, NARROW)),
        lambda: specification(credit_dots(frame, PAPER)),
    )


def _costs_method(credit: pl.DataFrame) -> str:
    """How costs are counted, where there are any."""
    if not credit["cost"].count():
        return ""
    back = "; a return of 2 brings back twice the cost" if credit["return_on_cost"].count() else ""
    return (
        " Costs are those of all days of the data; a channel without one for each day has none. Cost a goal: by the "
        f"credit of Markov{back}."
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
