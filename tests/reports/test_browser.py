"""The built page, opened in a real browser without a network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.pages import paths
from reports.settings import ReportSettings
from reports.site import build_site
from tests.reports import fixtures
from tests.reports.chromium import chromium, differing, visited

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>window.pwned=1</script>",
    "\"quoted\" & 'single' <img src=x onerror=window.pwned=1>",
    "مرحبا بالعالم",
    "🎉 party 🎉 " + "x" * 200,
    "",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory.mktemp("site"), fixtures.answers())


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory.mktemp("hostile"), fixtures.hostile_answers(HOSTILE), HOSTILE[0])


GOLDEN = Path(__file__).parent / "golden" / "pictures"
TOLERATED = 0.02
DARK: dict[str, Any] = {"color_scheme": "dark"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
PICTURES: list[tuple[str, str, dict[str, Any]]] = [
    ("funnel", "light", {}),
    ("funnel", "phone", {**PHONE, **DARK}),
    ("flow", "light", {}),
    ("segments", "dark", DARK),
    ("map", "light", {}),
    ("trend", "phone", PHONE),
]


def _written(folder: Path, answers: fixtures.Answers, title: str = "Shop") -> Path:
    built = build_site(answers, ReportSettings(title=title, segments=("device",)), fixtures.BUILT_AT, "runs/x")
    for name, content in built.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "index.html"


PAGES = ("index", "stages", "paths", "map", "trends", "explore", "quality")
AXE = Path(__file__).parents[2] / ".cache/axe/node_modules/axe-core/axe.min.js"


@pytest.mark.parametrize(("name", "scheme"), [*((name, "light") for name in PAGES), ("index", "dark")])
def test_page_draws_all_charts_offline_and_asks_for_nothing(browser: Any, page: Path, name: str, scheme: str) -> None:
    file = page.with_name(f"{name}.html")
    with visited(browser, file, color_scheme=scheme) as visit:
        status = visit.draw_all()
        assert visit.requests == [file.as_uri()]
        assert visit.complaints == []
        assert status["errors"] == []
        assert status["drawn"] == status["charts"] > 0
        assert visit.page.evaluate("() => document.documentElement.dataset.theme") == scheme


@pytest.mark.parametrize("name", PAGES)
def test_hostile_names_run_nothing_and_everything_draws(browser: Any, hostile_page: Path, name: str) -> None:
    file = hostile_page.with_name(f"{name}.html")
    with visited(browser, file) as visit:
        status = visit.draw_all()
        assert status["pwned"] is None
        assert visit.requests == [file.as_uri()]
        assert visit.complaints == []
        assert status["errors"] == []
        assert status["drawn"] == status["charts"] > 0


@pytest.mark.parametrize("name", [*PAGES, "report"])
def test_page_fits_a_phone(browser: Any, page: Path, name: str) -> None:
    with visited(browser, page.with_name(f"{name}.html"), viewport={"width": 390, "height": 844}) as visit:
        status = visit.draw_all()
        assert status["wider"] <= 0
        assert status["errors"] == []


LIT = "#c-flow svg path[fill-opacity='0.8']"


def test_pointing_at_a_touchpoint_lights_up_who_passed_it(browser: Any, page: Path) -> None:
    with visited(browser, page) as visit:
        visit.draw_all()
        before = visit.page.locator(LIT).count()
        visit.page.locator("#c-flow svg [role=button]").nth(1).hover(force=True)
        visit.page.wait_for_timeout(200)
        assert visit.page.locator(LIT).count() > before
        assert visit.page.locator("#vg-tooltip-element.visible").count() == 1


def test_a_chart_is_one_stop_of_tab_and_arrows_move_within_it(browser: Any, page: Path) -> None:
    with visited(browser, page) as visit:
        visit.draw_all()
        marks, stops = "#c-flow svg [role=button]", "#c-flow svg [tabindex='0']"
        assert visit.page.locator(marks).count() > 5
        assert visit.page.locator(stops).count() == 1
        described = "() => document.activeElement.getAttribute('aria-label')"
        visit.page.locator(stops).focus()
        visit.page.wait_for_timeout(200)
        first = visit.page.evaluate(described)
        assert visit.page.locator(LIT).count() > 0
        assert visit.page.locator("#vg-tooltip-element.visible").count() == 1
        visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_timeout(200)
        assert visit.page.evaluate(described) != first
        assert visit.page.locator(LIT).count() > 0
        assert visit.page.locator(stops).count() == 1
        visit.page.keyboard.press("Home")
        assert visit.page.evaluate(described) == first
        visit.page.keyboard.press("Escape")
        assert visit.page.evaluate("() => document.activeElement === document.body")


def test_charts_in_sight_are_drawn_first_and_the_others_without_being_asked_for(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("report.html"), viewport={"width": 1280, "height": 600}) as visit:
        charts = visit.page.locator(".chart").count()
        visit.page.wait_for_function(f"() => journeys.drawn === {charts}", timeout=60_000)
        assert visit.page.evaluate("() => Object.keys(journeys.times)[0]") == "funnel"
        assert visit.page.evaluate("() => scrollY") == 0


@pytest.mark.parametrize(
    "wish", [{"forced_colors": "active"}, {"reduced_motion": "reduce"}, {"forced_colors": "active", **DARK}]
)
def test_page_keeps_to_what_a_reader_has_set(browser: Any, page: Path, wish: dict[str, Any]) -> None:
    with visited(browser, page, **wish) as visit:
        status = visit.draw_all()
        assert status["errors"] == [] and status["drawn"] == status["charts"]
        style = "(of) => getComputedStyle(document.querySelector(of[0]))[of[1]]"
        if "forced_colors" in wish:
            assert visit.page.evaluate(style, ["#funnel", "borderTopStyle"]) == "solid"
            assert visit.page.evaluate(style, ["#c-funnel", "forcedColorAdjust"]) == "none"
        else:
            assert visit.page.evaluate(style, ["#funnel", "animationName"]) == "none"


def test_a_chart_that_cannot_be_drawn_says_so_and_leaves_the_others(browser: Any, page: Path, tmp_path: Path) -> None:
    html = page.read_text(encoding="utf-8")
    broken = tmp_path / "index.html"
    broken.write_text(html.replace('{"charts":{"funnel":{"data":', '{"charts":{"funnel":{"lost":', 1), encoding="utf-8")
    with visited(browser, broken) as visit:
        status = visit.draw_all()
        assert {error.split(":")[0] for error in status["errors"]} == {"funnel"}
        assert status["drawn"] == status["charts"] - 1
        assert "could not be drawn" in visit.page.locator("#c-funnel").inner_text()
        assert visit.page.locator("#funnel table").count() == 1


@pytest.mark.parametrize(("chart", "name", "options"), PICTURES, ids=[f"{c}-{n}" for c, n, _ in PICTURES])
def test_chart_looks_as_it_was_kept(
    browser: Any, page: Path, tmp_path: Path, chart: str, name: str, options: dict[str, Any]
) -> None:
    """Within a tolerance: another build of the browser smooths edges in its own way."""
    kept = GOLDEN / f"{chart}-{name}.png"
    with visited(browser, page.with_name("report.html"), **options) as visit:
        visit.draw_all()
        seen = visit.page.locator(f"#c-{chart} svg").screenshot(path=str(tmp_path / kept.name))
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(seen)
        warnings.warn(f"{kept.name} was written: look at it and run again", stacklevel=2)
    assert differing(kept.read_bytes(), seen) < TOLERATED


def test_theme_switch_redraws_in_the_other_colours(browser: Any, page: Path) -> None:
    with visited(browser, page, color_scheme="light") as visit:
        visit.draw_all()
        ink = "() => document.querySelector('#c-funnel svg text').getAttribute('fill')"
        before = visit.page.evaluate(ink)
        visit.page.click("#mode")
        visit.draw_all()
        assert visit.page.evaluate(ink) != before
        assert visit.page.evaluate("() => document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*PAGES, "report"])
def test_axe_finds_nothing_serious(browser: Any, page: Path, name: str, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core: npm install --prefix .cache/axe axe-core")
    with visited(browser, page.with_name(f"{name}.html"), color_scheme=scheme, bypass_csp=True) as visit:
        visit.draw_all()
        visit.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = visit.page.evaluate(
            "() => axe.run({resultTypes: ['violations']}).then((r) => r.violations"
            ".filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => v.id + ': ' + v.nodes[0].html))"
        )
        assert found == []


def test_click_on_a_bar_of_the_explorer_filters_the_funnel(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("explore.html")) as visit:
        visit.draw_all()
        words = "() => [...document.querySelectorAll('#c-explorer svg text')].map((t) => t.textContent).join(' ')"
        before = visit.page.evaluate(words)
        visit.page.locator("#c-explorer svg [role=button]").first.focus()
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_timeout(300)
        assert visit.page.evaluate(words) != before


def test_every_mark_of_the_flow_says_what_its_data_say(browser: Any, page: Path) -> None:
    """The page holds the sentences in parts; a reader of a screen hears them in full."""
    (flow,) = (part for part in paths.page(fixtures.answers(), ReportSettings()).parts if part.id == "flow")  # type: ignore[union-attr]
    said = {row["d"] for rows in (flow.spec or {})["datasets"].values() for row in rows if "d" in row}
    with visited(browser, page) as visit:
        visit.draw_all()
        heard = visit.page.evaluate(
            "() => [...document.querySelectorAll('#c-flow svg [aria-label]')].map((n) => n.getAttribute('aria-label'))"
        )
    assert said and said <= set(heard)


ON_PAPER = "() => matchMedia('print').addEventListener('change', (e) => { if (e.matches) window.paper = (%s)(); })"


def test_whatever_prints_the_page_prints_it_light_and_keeps_what_was_chosen(browser: Any, page: Path) -> None:
    """As by the browser's own menu; the charts are not even drawn yet."""
    seen = """() => ({theme: document.documentElement.dataset.theme,
        drawn: [...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg')).length,
        ink: document.querySelector('.chart svg text').getAttribute('fill'),
        words: [...document.querySelectorAll('.chart svg text')].map((t) => t.textContent).join(' ')})"""
    with visited(browser, page.with_name("explore.html"), color_scheme="light") as visit:
        visit.draw_all()
        light = visit.page.evaluate(seen)
    with visited(browser, page.with_name("explore.html"), color_scheme="dark") as visit:
        visit.draw_all()
        visit.page.locator("#c-explorer svg [role=button]").first.focus()
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_timeout(300)
        chosen = visit.page.evaluate(seen)
        visit.page.evaluate(ON_PAPER % seen)
        visit.page.pdf(print_background=True)
        paper = visit.page.evaluate("() => window.paper")
        visit.draw_all()
        after = visit.page.evaluate(seen)
    assert chosen["words"] != light["words"]
    assert (paper["theme"], paper["ink"], paper["words"]) == ("light", light["ink"], chosen["words"])
    assert (after["theme"], after["ink"], after["words"]) == ("dark", chosen["ink"], chosen["words"])


def test_a_page_printed_as_soon_as_it_is_open_has_all_its_charts(browser: Any, page: Path) -> None:
    drawn = "() => [...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg')).length"
    with visited(browser, page, color_scheme="dark", viewport={"width": 1280, "height": 300}) as visit:
        visit.page.evaluate(ON_PAPER % drawn)
        visit.page.pdf()
        assert visit.page.evaluate("() => window.paper") == visit.page.locator(".chart").count() > 3
