"""The Explore page: what does the funnel look like for chosen customers and weeks?"""

from __future__ import annotations

from reports.charts.explorer import PHONE, explorer
from reports.charts.theme import specification
from reports.pages.cards import Page, Part
from reports.questions.answers import Answers
from reports.settings import ReportSettings
from reports.words import tables
from reports.words.numbers import percent
from reports.words.subtitles import population


def explore_page(answers: Answers, settings: ReportSettings) -> Page | None:
    """One interactive card, or null where no cube may be published."""
    cube = answers.cube
    if cube is None:
        return None
    names = tuple(settings.name_of(column) for column in cube.columns)
    note = (
        ""
        if not cube.left_out
        else f"; {percent(cube.left_out)} of journeys, in cells of fewer than {settings.k} customers, are left out "
        f"of them"
    )
    part = Part(
        id="explorer",
        title=f"How far journeys get, by {' and '.join(name.lower() for name in names)}",
        subtitle=f"{population(answers, settings)} The same journeys as on the Summary, by the week in which they "
        f"begin. "
        "Counts of all, or of one group, match the other pages; a narrower choice adds up cells rounded to "
        f"{settings.k}s{note}. Whiskers: 95 % (Wilson).",
        gesture="Click bars to choose groups, drag over the weeks to choose a period; click again, or beside them, to "
        "clear.",
        frame=cube.cells,
        table=tables.cube_table(cube, names),
    ).drawn(
        lambda: specification(explorer(cube, names, settings.least, releases=answers.releases)),
        lambda: specification(explorer(cube, names, settings.least, PHONE, answers.releases)),
    )
    return Page(
        slug="explore",
        name="Explore",
        title="Choose journeys, see how far they get",
        lede="All filters work inside this page, without a server.",
        parts=(part,),
    )
