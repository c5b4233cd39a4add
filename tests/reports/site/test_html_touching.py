"""What a reader does with a page: points, presses, taps, moves with the keyboard, switches the theme, prints.

Nothing here waits for a time: what is waited for is what the reader would see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reports import fixtures
from tests.reports.chromium import visited

pytestmark = pytest.mark.browser

LIT = "#c-flow svg path[fill-opacity='0.8']"
TOLD = "#vg-tooltip-element.visible"
MORE = "([selector, than]) => document.querySelectorAll(selector).length > than"
WORDS = "() => [...document.querySelectorAll('.chart svg text')].map((t) => t.textContent).join(' ')"
OTHER_WORDS = f"([words]) => ({WORDS})() !== words"
SAME_WORDS = f"([words]) => ({WORDS})() === words"
HEARD = "() => document.activeElement.getAttribute('aria-label')"


def test_pointing_at_a_touchpoint_lights_up_who_passed_it_and_leaving_it_puts_it_out(browser: Any, page: Path) -> None:
    with visited(browser, page) as visit:
        visit.draw_all()
        assert visit.page.locator(LIT).count() == 0
        visit.page.locator("#c-flow svg [role=button]").nth(1).hover(force=True)
        visit.until(MORE, LIT, 0)
        visit.page.locator(TOLD).wait_for()
        visit.page.mouse.move(1, 1)
        visit.until("([selector]) => !document.querySelector(selector)", LIT)
        visit.page.locator(TOLD).wait_for(state="detached")


def test_a_finger_on_a_touchpoint_tells_of_it(browser: Any, page: Path) -> None:
    with visited(browser, page, viewport={"width": 390, "height": 844}, has_touch=True) as visit:
        visit.draw_all()
        visit.page.locator("#c-flow svg [role=button]").first.tap(force=True)
        visit.until(MORE, LIT, 0)
        visit.page.locator(TOLD).wait_for()
        assert visit.page.evaluate(
            "([told]) => { const box = document.querySelector(told).getBoundingClientRect();"
            " return box.left >= 0 && box.right <= innerWidth; }",
            [TOLD],
        )


@pytest.mark.parametrize(("name", "chart"), [("index", "flow"), ("paths", "moves"), ("explore", "explorer")])
def test_a_chart_is_one_stop_of_tab_and_arrows_move_within_it(browser: Any, page: Path, name: str, chart: str) -> None:
    marks, stops = f"#c-{chart} svg [role=button]", f"#c-{chart} svg [tabindex='0']"
    with visited(browser, page.with_name(f"{name}.html")) as visit:
        visit.draw_all()
        assert visit.page.locator(marks).count() > 4
        assert visit.page.locator(stops).count() == 1
        visit.page.locator(stops).focus()
        visit.page.locator(TOLD).wait_for()
        first = visit.page.evaluate(HEARD)
        visit.page.keyboard.press("ArrowRight")
        visit.until(f"([heard]) => ({HEARD})() !== heard", first)
        visit.page.locator(TOLD).wait_for()
        assert visit.page.locator(stops).count() == 1
        visit.page.keyboard.press("End")
        visit.page.keyboard.press("Home")
        visit.until(f"([heard]) => ({HEARD})() === heard", first)
        visit.page.keyboard.press("Escape")
        assert visit.page.evaluate("() => document.activeElement === document.body")


def test_the_keyboard_lights_up_the_flow_as_the_pointer_does(browser: Any, page: Path) -> None:
    with visited(browser, page) as visit:
        visit.draw_all()
        visit.page.locator("#c-flow svg [tabindex='0']").focus()
        visit.until(MORE, LIT, 0)


def test_a_click_on_a_bar_of_the_explorer_filters_and_another_clears(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("explore.html")) as visit:
        visit.draw_all()
        before = visit.page.evaluate(WORDS)
        bar = visit.page.locator("#c-explorer svg [role=button]").first
        bar.click(force=True)
        visit.until(OTHER_WORDS, before)
        bar.click(force=True)
        visit.until(SAME_WORDS, before)


def test_the_explorer_has_a_bar_a_group_and_a_date_a_period(browser: Any, page: Path) -> None:
    cube = fixtures.answers().cube
    assert cube is not None
    groups = sum(cube.cells[field].drop_nulls().n_unique() for field in ("a", "b"))
    with visited(browser, page.with_name("explore.html")) as visit:
        visit.draw_all()
        assert visit.page.locator("#c-explorer svg [role=button]").count() == groups > 2
        first = cube.cells["start"].min()
        assert f"{first:%-d %b}" in visit.page.evaluate(WORDS)


def test_what_was_chosen_is_cleared_by_a_button_that_is_there_while_something_is(browser: Any, page: Path) -> None:
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


def test_the_keyboard_filters_the_explorer_and_clears_it(browser: Any, page: Path) -> None:
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


def test_whatever_prints_the_page_prints_it_light_and_keeps_what_was_chosen(browser: Any, page: Path) -> None:
    """As by the browser's own menu."""
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


def test_a_page_printed_as_soon_as_it_is_open_has_all_its_charts(browser: Any, page: Path) -> None:
    drawn = "() => [...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg')).length"
    with visited(browser, page, color_scheme="dark", viewport={"width": 1280, "height": 300}) as visit:
        visit.page.evaluate(ON_PAPER % drawn)
        visit.page.pdf()
        assert visit.page.evaluate("() => window.paper") == visit.page.locator(".chart").count() > 3
