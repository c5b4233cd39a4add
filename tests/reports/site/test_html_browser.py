"""The built pages in a real browser without a network: all charts are drawn, and no request is made.

One visit answers all questions that leave the page as it is; what a reader does with a page is in `test_touching`.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from reports.pages import routes
from reports.settings import ReportSettings
from tests.reports import fixtures
from tests.reports.chromium import Visit, differing, repainted, visited, written

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>window.pwned=1</script>",
    "\"quoted\" & 'single' <img src=x onerror=window.pwned=1>",
    "مرحبا بالعالم",
    "🎉 party 🎉 " + "x" * 200,
    "",
)
PAGES = ("index", "journey", "customers", "routes", "change", "trust", "explore")
AXE = Path(__file__).parents[3] / ".cache/axe/node_modules/axe-core/axe.min.js"
GOLDEN = Path(__file__).parents[1] / "golden" / "pictures"
TOLERATED = 0.02
DARK: dict[str, Any] = {"color_scheme": "dark"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
LOOKS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "light": ({}, ("funnel", "flow", "map")),
    "dark": (DARK, ("segments",)),
    "phone": (PHONE, ("trend",)),
    "phone-dark": ({**PHONE, **DARK}, ("funnel",)),
}


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("hostile"), fixtures.hostile_answers(HOSTILE), HOSTILE[0])


def _all_well(visit: Visit, file: Path) -> None:
    status = visit.draw_all()
    assert visit.requests == [file.as_uri()]
    assert visit.complaints == []
    assert status["errors"] == []
    assert status["pwned"] is None
    assert status["drawn"] == status["charts"] > 0


@pytest.mark.parametrize(
    ("name", "scheme"), [*((name, "light") for name in (*PAGES, "report")), ("index", "dark"), ("report", "dark")]
)
def test_a_page_draws_all_charts_offline_without_requests_and_is_accessible(
    browser: Any, page: Path, name: str, scheme: str
) -> None:
    file = page.with_name(f"{name}.html")
    with visited(browser, file, color_scheme=scheme) as visit:
        _all_well(visit, file)
        assert visit.page.evaluate("() => document.documentElement.dataset.theme") == scheme
        if not AXE.exists():
            pytest.skip("no axe-core: npm install --prefix .cache/axe axe-core")
        visit.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = visit.page.evaluate(
            "() => axe.run({resultTypes: ['violations']}).then((r) => r.violations"
            ".filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => v.id + ': ' + v.nodes[0].html))"
        )
        assert found == []


@pytest.mark.parametrize("name", PAGES)
def test_hostile_names_run_no_code_and_all_charts_are_drawn(browser: Any, hostile_page: Path, name: str) -> None:
    file = hostile_page.with_name(f"{name}.html")
    with visited(browser, file) as visit:
        _all_well(visit, file)


@pytest.mark.parametrize("name", [*PAGES, "report"])
def test_page_fits_a_phone(browser: Any, page: Path, name: str) -> None:
    with visited(browser, page.with_name(f"{name}.html"), **PHONE) as visit:
        status = visit.draw_all()
        assert status["wider"] <= 0
        assert status["errors"] == []


@pytest.mark.parametrize("look", LOOKS)
def test_charts_look_like_the_golden_pictures(browser: Any, page: Path, tmp_path: Path, look: str) -> None:
    """Within a tolerance, because builds of the browser smooth edges differently."""
    options, charts = LOOKS[look]
    with visited(browser, page.with_name("report.html"), **options) as visit:
        visit.draw_all()
        visit.until("() => document.fonts.status === 'loaded'")
        seen = {c: visit.page.locator(f"#c-{c} svg").screenshot(path=str(tmp_path / f"{c}.png")) for c in charts}
    far = {}
    for chart, picture in seen.items():
        kept = GOLDEN / f"{chart}-{look}.png"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(picture)
            warnings.warn(f"{kept.name} was written: look at it and run again", stacklevel=2)
        far[chart] = differing(kept.read_bytes(), picture, TOLERATED)
    assert {chart: share for chart, share in far.items() if share > TOLERATED} == {}


def test_picture_comparison_ignores_a_shift_of_a_pixel_but_not_a_changed_bar() -> None:
    kept = (GOLDEN / "funnel-light.png").read_bytes()
    assert differing(kept, repainted(kept, move=(1, -2))) < TOLERATED / 4
    assert differing(kept, repainted(kept, bar=(200, 30, 400, 90))) > TOLERATED


def test_visible_charts_are_drawn_first_and_the_others_afterwards(browser: Any, page: Path) -> None:
    with visited(browser, page.with_name("report.html"), viewport={"width": 1280, "height": 600}) as visit:
        visit.until("() => journeys.drawn === document.querySelectorAll('.chart').length")
        assert visit.page.evaluate("() => Object.keys(journeys.times)[0]") == "act-first"
        assert visit.page.evaluate("() => scrollY") == 0


def test_a_page_respects_the_preferences_of_the_reader(browser: Any, page: Path) -> None:
    style = "(of) => getComputedStyle(document.querySelector(of[0]))[of[1]]"
    with visited(browser, page) as visit:
        _all_well(visit, page)
        visit.page.emulate_media(reduced_motion="reduce")
        assert visit.page.evaluate(style, ["#mode", "transitionDuration"]) == "0s"
        for scheme in ("light", "dark"):
            visit.page.emulate_media(forced_colors="active", color_scheme=scheme)
            assert visit.page.evaluate(style, ["#funnel", "borderTopStyle"]) == "solid"
            assert visit.page.evaluate(style, ["#c-funnel", "forcedColorAdjust"]) == "none"


def test_a_chart_that_fails_shows_a_message_and_does_not_affect_the_others(
    browser: Any, page: Path, tmp_path: Path
) -> None:
    html = page.read_text(encoding="utf-8")
    broken = tmp_path / "index.html"
    broken.write_text(html.replace('"funnel":{"data":', '"funnel":{"lost":', 1), encoding="utf-8")
    with visited(browser, broken) as visit:
        status = visit.draw_all()
        assert {error.split(":")[0] for error in status["errors"]} == {"funnel"}
        assert status["drawn"] == status["charts"] - 1
        assert "could not be drawn" in visit.page.locator("#c-funnel").inner_text()
        assert visit.page.locator("#funnel table").count() == 1


FAILS_ONCE = (
    "() => { const real = vegaEmbed; window.vegaEmbed = () => { window.vegaEmbed = real; throw Error('once'); } }"
)
MARKED = "() => document.querySelectorAll('.chart svg').forEach((svg) => svg.classList.add('left-alone'))"


def test_a_failed_chart_is_drawn_again_and_a_drawn_one_is_not(browser: Any, page: Path) -> None:
    with visited(browser, page) as visit:
        drawn = visit.draw_all()["charts"]
        visit.page.evaluate(FAILS_ONCE)
        visit.page.click("#mode")
        visit.until("() => journeys.errors.length === 1")
        assert visit.draw_all()["drawn"] == drawn
        visit.page.evaluate(MARKED)
        visit.draw_all()
        assert visit.page.locator(".chart svg.left-alone").count() == drawn


def test_every_mark_of_the_flow_has_the_description_of_its_data(browser: Any, page: Path) -> None:
    """The page stores sentences as templates; a screen reader gets them in full."""
    (flow,) = (part for part in routes.routes_page(fixtures.answers(), ReportSettings()).parts if part.id == "flow")  # type: ignore[union-attr]
    descriptions = {row["d"] for rows in (flow.spec or {})["datasets"].values() for row in rows if "d" in row}
    with visited(browser, page.with_name("routes.html")) as visit:
        visit.draw_all()
        heard = visit.page.evaluate(
            "() => [...document.querySelectorAll('#c-flow svg [aria-label]')].map((n) => n.getAttribute('aria-label'))"
        )
    assert descriptions and descriptions <= set(heard)
