"""The built page, opened in a real browser without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.settings import ReportSettings
from reports.site import build_site
from tests.reports import fixtures
from tests.reports.chromium import chromium, visited

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


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone(browser: Any, page: Path, name: str) -> None:
    with visited(browser, page.with_name(f"{name}.html"), viewport={"width": 390, "height": 844}) as visit:
        status = visit.draw_all()
        assert status["wider"] <= 0
        assert status["errors"] == []


def test_pointing_at_a_touchpoint_lights_up_who_passed_it_and_the_keyboard_does_too(browser: Any, page: Path) -> None:
    with visited(browser, page) as visit:
        visit.draw_all()
        stops = visit.page.locator("#c-flow svg [role=button]")
        assert stops.count() > 5
        before = visit.page.locator("#c-flow svg path[fill-opacity='0.8']").count()
        stops.nth(1).focus()
        visit.page.wait_for_timeout(200)
        assert visit.page.locator("#c-flow svg path[fill-opacity='0.8']").count() > before
        assert visit.page.locator("#vg-tooltip-element.visible").count() == 1


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
@pytest.mark.parametrize("name", PAGES)
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
