"""The Summary page: what share of journeys reaches the goal, and where do they stop?"""

from __future__ import annotations

from reports.charts.canvas import PAPER
from reports.charts.stages.act_first import act_first, narrow_act_first
from reports.charts.stages.funnel import narrow_stage_funnel, stage_funnel
from reports.charts.theme import specification
from reports.pages.cards import Page, Part
from reports.pages.targets import targets_card
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import headlines, incidents, tables
from reports.words.numbers import quoted
from reports.words.problems import problems_headline
from reports.words.subtitles import all_stages_note, counted_journeys, population, too_few, withheld_note
from reports.words.value_cards import value_cards

ON_PAPER = 3
"""Problems on the printed summary, which is one sheet."""


def summary_page(answers: Answers, settings: ReportSettings) -> Page:
    """Value cards, the targets, where to act first, the stage funnel, and the goals."""
    cards = (
        targets_card(answers, settings),
        problems_card(answers),
        funnel_card(answers, settings),
        goals_card(answers, settings),
    )
    return Page(
        slug="summary",
        name="Summary",
        title=headlines.summary_headline(answers.stages, answers.goal, settings.least),
        lede=headlines.summary_lede(answers.stages, answers.window, settings.k, settings.least),
        values=value_cards(answers, settings),
        notices=incidents.notices(answers.incidents),
        parts=tuple(part for part in cards if part is not None),
    )


def problems_card(answers: Answers) -> Part | None:
    """Where to act first, or null where nothing is clearly worse than usual."""
    frame = answers.problems
    if frame is None:
        return None
    return Part(
        id="act-first",
        title=problems_headline(frame.row(0, named=True)),
        subtitle=f"{quoted(answers.goal)} that would have come at the usual rate, ranked by the lower end of the "
        "interval. A comparison, no proof; problems overlap and do not add up.",
        method="Of an incident: cases less than expected by its past on its days, in tens of journeys, times the goals "
        "of one that goes on. Of a group: the journeys that reach the stage before, times how much less often they go "
        "on than all other known groups of the same value in another breakdown, the one that leaves least of the "
        "difference, times the share of those who reach the stage that reach the goal. Of trouble that journeys met: "
        "the goals that are missing against those alike, as on the page Journey. Only what is clear "
        "(Benjamini–Hochberg, 5 %). A row of which more than half of the lost journeys lie in another is named "
        "with it.",
        frame=frame,
        table=tables.problems_table(frame),
    ).drawn(
        lambda: specification(act_first(frame)),
        lambda: specification(narrow_act_first(frame)),
        lambda: specification(act_first(frame, PAPER, max_rows=ON_PAPER)),
    )


def funnel_card(answers: Answers, settings: ReportSettings) -> Part:
    """The stage funnel."""
    frame = answers.stages
    entered = frame["entered"][0]
    few = too_few(frame["customers"][0] if entered else entered, settings)
    weakest = headlines.weakest_step(frame)
    return Part(
        id="funnel",
        title=headlines.funnel_headline(frame) if few is None else headlines.FUNNEL,
        subtitle=population(answers, settings) + all_stages_note(frame) + withheld_note(frame, settings),
        method=counted_journeys(answers) + " Solid: share of all journeys that reached the stage. Dashed: "
        "did not go on from the stage before. Time: median from the first touch of the nearest earlier stage to the "
        "first "
        "touch "
        "of this one, of the same journeys.",
        frame=frame,
        table=None if entered is None else tables.stages_table(frame),
        state=few,
        link=("Explore", "explore.html") if answers.cube is not None and "explore" in settings.pages else None,
    ).drawn(
        lambda: specification(stage_funnel(frame, weakest)),
        lambda: specification(narrow_stage_funnel(frame, weakest)),
        lambda: specification(stage_funnel(frame, weakest, PAPER, pitch=36)),
    )


def goals_card(answers: Answers, settings: ReportSettings) -> Part | None:
    """What share of journeys reaches each goal, or null where journeys.toml names none."""
    frame = answers.attained
    if frame is None:
        return None
    return Part(
        id="goals",
        title="What share of journeys reaches each goal",
        subtitle="Of the journeys that began at least a goal's time before the end of the data, those that reached it "
        "in that time. "
        f"The first goal, {quoted(answers.goal)}, ends a journey; the others are counted in journeys and after them.",
        method=f"A journey begins once and counts once for each goal. Rates over fewer than {settings.least} customers "
        f"are not shown; counts of 1 to {settings.k - 1} customers, counts that would reveal them, and sums of which "
        "one customer brings more than half are withheld. Later: mature journeys with the goal after its time. Direct: "
        "journeys of the goal alone, in no rate. Trust says what each goal means.",
        frame=frame,
        table=tables.goals_table(frame),
    )
