"""How a page responds to the pointer, taps, the keyboard, the theme switch and printing.

Nothing here waits for a time: what is waited for is what the reader would see.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from reports.charts.canvas import PAPER
from tests.reports import fixtures
from tests.reports.chromium import visited

pytestmark = pytest.mark.browser

HIGHLIGHTED = "#c-flow svg path[fill-opacity='0.8']"
TOOLTIP = "#vg-tooltip-element.visible"
MORE = "([selector, than]) => document.querySelectorAll(selector).length > than"
WORDS = "() => [...document.querySelectorAll('.chart svg text')].map((t) => t.textContent).join(' ')"
OTHER_WORDS = f"([words]) => ({WORDS})() !== words"
SAME_WORDS = f"([words]) => ({WORDS})() === words"
HEARD = "() => document.activeElement.getAttribute('aria-label')"


def test_pointing_at_a_touchpoint_highlights_the_journeys_through_it(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("routes.html")) as visit:
        visit.draw_all()
        assert visit.page.locator(HIGHLIGHTED).count() == 0
        visit.page.locator("#c-flow svg [role=button]").nth(1).hover(force=True)
        visit.until(MORE, HIGHLIGHTED, 0)
        visit.page.locator(TOOLTIP).wait_for()
        visit.page.mouse.move(1, 1)
        visit.until("([selector]) => !document.querySelector(selector)", HIGHLIGHTED)
        visit.page.locator(TOOLTIP).wait_for(state="detached")


def test_tapping_a_touchpoint_shows_its_tooltip(browser: Any, page: Path) -> None:
    with visited(
        browser, page.with_name("routes.html"), viewport={"width": 390, "height": 844}, has_touch=True
    ) as visit:
        visit.draw_all()
        visit.page.locator("#c-flow svg [role=button]").first.tap(force=True)
        visit.until(MORE, HIGHLIGHTED, 0)
        visit.page.locator(TOOLTIP).wait_for()
        assert visit.page.evaluate(
            "([told]) => { const box = document.querySelector(told).getBoundingClientRect();"
            " return box.left >= 0 && box.right <= innerWidth; }",
            [TOOLTIP],
        )


@pytest.mark.parametrize(("name", "chart"), [("routes", "flow"), ("routes", "moves"), ("explore", "explorer")])
def test_a_chart_is_one_tab_stop_and_arrow_keys_move_within_it(browser: Any, page: Path, name: str, chart: str) -> None:
    marks, stops = f"#c-{chart} svg [role=button]", f"#c-{chart} svg [tabindex='0']"
    with visited(browser, page.with_name(f"{name}.html")) as visit:
        visit.draw_all()
        assert visit.page.locator(marks).count() > 4
        assert visit.page.locator(stops).count() == 1
        visit.page.locator(stops).focus()
        visit.page.locator(TOOLTIP).wait_for()
        first = visit.page.evaluate(HEARD)
        visit.page.keyboard.press("ArrowRight")
        visit.until(f"([heard]) => ({HEARD})() !== heard", first)
        visit.page.locator(TOOLTIP).wait_for()
        assert visit.page.locator(stops).count() == 1
        visit.page.keyboard.press("End")
        visit.page.keyboard.press("Home")
        visit.until(f"([heard]) => ({HEARD})() === heard", first)
        visit.page.keyboard.press("Escape")
        assert visit.page.evaluate("() => document.activeElement === document.body")


def test_keyboard_focus_highlights_the_flow_like_the_pointer(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("routes.html")) as visit:
        visit.draw_all()
        visit.page.locator("#c-flow svg [tabindex='0']").focus()
        visit.until(MORE, HIGHLIGHTED, 0)


def test_clicking_a_bar_of_the_explorer_filters_and_clicking_again_clears(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("explore.html")) as visit:
        visit.draw_all()
        before = visit.page.evaluate(WORDS)
        bar = visit.page.locator("#c-explorer svg [role=button]").first
        bar.click(force=True)
        visit.until(OTHER_WORDS, before)
        bar.click(force=True)
        visit.until(SAME_WORDS, before)


def test_the_explorer_has_one_bar_per_group_and_one_date_per_period(browser: Any, page: Path) -> None:
    cube = fixtures.answers().cube
    assert cube is not None
    groups = sum(cube.cells[field].drop_nulls().n_unique() for field in ("a", "b"))
    with visited(browser, page.with_name("explore.html")) as visit:
        visit.draw_all()
        assert visit.page.locator("#c-explorer svg [role=button]").count() == groups > 2
        first = cube.cells["start"].min()
        assert f"{first:%-d %b}" in visit.page.evaluate(WORDS)


def test_a_button_clears_the_selection_and_is_visible_only_with_one(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("report.html")) as visit:
        visit.draw_all()
        button = visit.page.locator(".clear")
        assert button.count() == 1
        assert not button.is_visible()
        before = visit.page.evaluate(WORDS)
        for bar in (0, -1):
            visit.page.locator("#c-explorer svg [role=button]").nth(bar).focus()
            visit.page.keyboard.press("Enter")
            button.wait_for()
        visit.until(OTHER_WORDS, before)
        button.click()
        visit.until(SAME_WORDS, before)
        visit.page.locator(".clear").wait_for(state="hidden")


def test_the_explorer_is_filtered_and_cleared_by_keyboard(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("explore.html")) as visit:
        visit.draw_all()
        before = visit.page.evaluate(WORDS)
        visit.page.locator("#c-explorer svg [role=button]").first.focus()
        visit.page.keyboard.press("Enter")
        visit.until(OTHER_WORDS, before)
        visit.page.keyboard.press("Enter")
        visit.until(SAME_WORDS, before)


def test_theme_switch_redraws_in_the_other_colours(browser: Any, page: Path) -> None:
    ink = "() => document.querySelector('#c-funnel svg text')?.getAttribute('fill')"
    with visited(browser, page, color_scheme="light") as visit:
        visit.draw_all()
        before = visit.page.evaluate(ink)
        visit.page.click("#mode")
        visit.until(f"([ink]) => ({ink})() && ({ink})() !== ink", before)
        assert visit.page.evaluate("() => document.documentElement.dataset.theme") == "dark"


ON_PAPER = "() => matchMedia('print').addEventListener('change', (e) => { if (e.matches) window.paper = (%s)(); })"


def test_printing_uses_light_mode_and_keeps_the_selection(browser: Any, page: Path) -> None:
    """As from the browser's menu."""
    seen = f"""() => ({{theme: document.documentElement.dataset.theme,
        ink: document.querySelector('.chart svg text').getAttribute('fill'), words: ({WORDS})()}})"""
    with visited(browser, page.with_name("explore.html"), color_scheme="light") as visit:
        visit.draw_all()
        light = visit.page.evaluate(seen)
    with visited(browser, page.with_name("explore.html"), color_scheme="dark") as visit:
        visit.draw_all()
        visit.page.locator("#c-explorer svg [role=button]").first.focus()
        visit.page.keyboard.press("Enter")
        visit.until(OTHER_WORDS, light["words"])
        chosen = visit.page.evaluate(seen)
        visit.page.evaluate(ON_PAPER % seen)
        visit.page.pdf(print_background=True)
        paper = visit.page.evaluate("() => window.paper")
        visit.draw_all()
        after = visit.page.evaluate(seen)
    assert (paper["theme"], paper["ink"], paper["words"]) == ("light", light["ink"], chosen["words"])
    assert (after["theme"], after["ink"], after["words"]) == ("dark", chosen["ink"], chosen["words"])


def test_a_page_printed_right_after_opening_contains_all_charts(browser: Any, page: Path) -> None:
    drawn = "() => [...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg')).length"
    with visited(
        browser, page.with_name("report.html"), color_scheme="dark", viewport={"width": 1280, "height": 300}
    ) as visit:
        visit.page.evaluate(ON_PAPER % drawn)
        visit.page.pdf()
        assert visit.page.evaluate("() => window.paper") == visit.page.locator(".chart").count() > 3


def test_a_browser_prints_the_summary_on_one_sheet(browser: Any, page: Path) -> None:
    width = "() => document.querySelector('#c-funnel svg').getBoundingClientRect().width"
    with visited(browser, page.with_name("index.html"), viewport={"width": 1280, "height": 900}) as visit:
        visit.draw_all()
        before = visit.page.evaluate(width)
        visit.page.evaluate(ON_PAPER % width)
        margin = {"top": "12mm", "bottom": "12mm", "left": "12mm", "right": "12mm"}
        printed = PdfReader(io.BytesIO(visit.page.pdf(format="A4", margin=margin)))
        on_paper = visit.page.evaluate("() => window.paper")
        visit.draw_all()
        assert visit.page.evaluate(width) == before > PAPER
    assert len(printed.pages) == 1 and on_paper == PAPER
    words = printed.pages[0].extract_text()
    assert "Order placed" in words and "How this is counted" not in words
