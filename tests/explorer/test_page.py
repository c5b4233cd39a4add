"""The page is used by keyboard alone, shows hostile names as text, asks nobody else, and fits a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.explorer.shop import HOSTILE, asked
from tests.reports.chromium import PATIENCE, chromium

pytestmark = pytest.mark.browser


@contextmanager
def opened(browser: Any, port: int, **options: Any) -> Iterator[tuple[Any, list[str], list[str]]]:
    """The page of the explorer, the addresses that it asks, and its complaints."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(PATIENCE)
    page, asks, complaints = context.new_page(), [], []
    page.on("request", lambda request: asks.append(request.url))
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator("body[data-answered]").wait_for()
    yield page, asks, complaints
    context.close()


def says(page: Any, text: str) -> None:
    """Waits until the answer is this sentence."""
    page.locator("h1", has_text=text).wait_for()


def test_a_question_is_asked_by_keyboard_alone(port: int) -> None:
    with chromium() as browser, opened(browser, port) as (page, asks, complaints):
        keys = page.keyboard

        def take(letter: str, text: str) -> None:
            keys.press(letter)
            page.locator("#pop [role=combobox]").wait_for()
            keys.type(text)
            keys.press("Enter")

        keys.press("2")
        page.locator("[data-key=kind-funnel][aria-pressed=true]").wait_for()
        take("a", "home")
        says(page, "have Home")
        take("a", "</script>")
        first = asked(port, {"steps": ["Home", _quoted(HOSTILE)], "window": "7d"})[1]["said"]
        says(page, first)
        assert page.evaluate("() => document.activeElement.id") == "add"
        take("a", "order")
        take("b", "device")
        page.locator(".groups").wait_for()
        want = {"steps": ["Home", _quoted(HOSTILE), "Order"], "window": "7d", "by": ["device"]}
        whole = asked(port, want)[1]
        says(page, whole["said"])
        assert page.locator(".card h2").all_inner_texts()[1] == whole["groups"]["title"]
        keys.press("w")
        page.locator("#pop .quick").wait_for()
        keys.press("Enter")
        says(page, asked(port, want | {"window": "30m"})[1]["said"])
        keys.press("Control+z")
        says(page, whole["said"])
        page.locator("[data-key=step-2]").focus()
        keys.press("Alt+ArrowUp")
        says(page, asked(port, want | {"steps": ["Home", "Order", _quoted(HOSTILE)]})[1]["said"])
        assert page.evaluate("() => document.activeElement.dataset.key") == "step-1"
        page.go_back()
        says(page, whole["said"])
        page.reload()
        says(page, whole["said"])
        assert "device" in page.url and page.evaluate("() => window.pwned") is None
        assert complaints == [] and all(ask.startswith((f"http://127.0.0.1:{port}/", "data:")) for ask in asks)


def test_a_walk_goes_on_and_back_by_keyboard_and_is_a_funnel(port: int) -> None:
    with chromium() as browser, opened(browser, port) as (page, _, complaints):
        walk = {"kind": "walk", "order": "strict", "window": "7d"}
        page.locator("[data-key=hop-start-Home]").focus()
        page.keyboard.press("Enter")
        first = asked(port, walk | {"steps": ["Home"]})[1]
        says(page, first["said"])
        second, before = first["next"][1]["word"], first["before"][1]["word"]
        page.locator("[data-hop]").first.focus()
        for key in ("ArrowRight", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        steps = ["Home", _quoted(second)]
        says(page, asked(port, walk | {"steps": steps})[1]["said"])
        assert page.locator(".col h3").all_inner_texts() == ["Before Home", "After Home", f"After {second}"]
        assert page.locator("[data-hop][aria-pressed=true] span").all_inner_texts() == [second]
        page.keyboard.press("2")
        says(page, asked(port, {"steps": steps, "order": "strict", "window": "7d"})[1]["said"])
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        says(page, first["said"])
        page.get_by_role("group", name="Before Home").locator("[data-hop]").nth(1).click()
        says(page, asked(port, walk | {"steps": [_quoted(before), "Home"]})[1]["said"])
        page.reload()
        page.get_by_role("group", name="After Home").locator("[data-hop]").first.wait_for()
        page.get_by_role("group", name=f"After {before}").locator("[aria-pressed=true]").wait_for()
        assert complaints == []


def test_kinds_keep_the_question_and_change_the_answer(port: int) -> None:
    with chromium() as browser, opened(browser, port) as (page, _, complaints):
        page.locator("[data-key=hop-start-Home]").focus()
        page.keyboard.press("Enter")
        page.get_by_role("group", name="After Home").locator("[data-hop]").first.wait_for()
        page.keyboard.press("5")
        retention = {"kind": "retention", "steps": ["Home"]}
        says(page, asked(port, retention)[1]["said"])
        assert page.locator(".gridded tbody th").first.inner_text() == "All"
        assert page.locator("#enteredpart").is_hidden() and page.locator("[data-key=tab-toml]").count() == 0
        page.locator("[data-key=returns]").focus()
        page.keyboard.press("Enter")
        page.get_by_role("radio", name="in or after").click()
        says(page, asked(port, retention | {"returns": "on_or_after"})[1]["said"])
        page.keyboard.press("4")
        page.get_by_text("A trend is of a share.").wait_for()
        page.keyboard.press("a")
        page.keyboard.type("order")
        page.keyboard.press("Enter")
        trend = {"kind": "trend", "steps": ["Home", "Order"], "order": "strict", "window": "7d"}
        says(page, asked(port, trend)[1]["said"])
        page.locator("[data-key=period]").click()
        page.get_by_role("radio", name="month").click()
        says(page, asked(port, trend | {"period": "month"})[1]["said"])
        assert page.locator(".when").count() == 3
        page.reload()
        says(page, asked(port, trend | {"period": "month"})[1]["said"])
        assert "month" in page.url
        assert [text for text in complaints if "422" not in text] == []


def test_other_kinds_are_asked_by_keyboard_alone(port: int) -> None:
    with chromium() as browser, opened(browser, port) as (page, _, complaints):
        keys = page.keyboard

        def take(text: str) -> None:
            page.locator("#pop [role=combobox]").wait_for()
            keys.type(text)
            keys.press("Enter")

        keys.press("9")
        voice = {"kind": "voice", "window": "7d"}
        says(page, asked(port, voice)[1]["said"])
        assert page.locator("#stepspart").is_hidden() and page.locator("#onlypart").is_hidden()
        page.locator("[data-key=survey]").focus()
        keys.press("Enter")
        for key in ("Tab", "Enter"):
            keys.press(key)
        says(page, asked(port, voice | {"survey": "nps"})[1]["said"])
        keys.press("8")
        says(page, asked(port, {"kind": "attribution", "on": "device", "window": "7d"})[1]["said"])
        keys.press("7")
        says(page, asked(port, {"kind": "goals"})[1]["said"])
        assert page.locator(".ranged tbody tr").count() > 1
        keys.press("3")
        keys.press("a")
        take("</script>")
        flow = {"kind": "flow", "count": "journeys", "window": "7d"}
        says(page, asked(port, flow | {"steps": [_quoted(HOSTILE)]})[1]["said"])
        page.locator(".flow button").first.focus()
        word = page.locator(".flow button span").first.inner_text()
        keys.press("Enter")
        says(page, asked(port, flow | {"steps": [_quoted(word)]})[1]["said"])
        keys.press("Control+z")
        says(page, asked(port, flow | {"steps": [_quoted(HOSTILE)]})[1]["said"])
        keys.press("6")
        page.get_by_text("A comparison is of shares.").wait_for()
        keys.press("a")
        take("order")
        both = {"kind": "compare", "steps": [_quoted(HOSTILE), "Order"], "window": "7d"}
        says(page, asked(port, both)[1]["said"])
        keys.press("g")
        take("more")
        says(page, asked(port, both | {"compared": ['device=tab, "let" and more']})[1]["said"])
        page.reload()
        says(page, asked(port, both | {"compared": ['device=tab, "let" and more']})[1]["said"])
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") == 0
        assert page.evaluate("() => window.pwned") is None
        assert [text for text in complaints if "422" not in text] == []


def test_a_question_is_saved_opened_and_deleted_by_keyboard_and_its_rows_are_a_file(port: int) -> None:
    with chromium() as browser, opened(browser, port) as (page, _, complaints):
        keys = page.keyboard
        keys.press("7")
        said = asked(port, {"kind": "goals"})[1]["said"]
        says(page, said)
        keys.press("Control+s")
        page.locator("#pop input").wait_for()
        keys.press("Control+a")
        keys.type("</b><img src=x onerror=window.pwned=1>")
        keys.press("Enter")
        page.locator("#pop").wait_for(state="hidden")
        with page.expect_download() as taken:
            page.locator("[data-key=rows-csv]").click()
        assert taken.value.suggested_filename == "Goals_Order.csv"
        keys.press("9")
        says(page, asked(port, {"kind": "voice", "window": "7d"})[1]["said"])
        page.locator("#saved").focus()
        keys.press("Enter")
        page.locator(".saved .choice").wait_for()
        assert said in page.locator(".saved .choice").inner_text()
        keys.press("Enter")
        says(page, said)
        page.locator("#saved").click()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Keep").click()
        page.get_by_role("button", name="Delete").click()
        keys.press("Escape")
        page.locator("#saved").click()
        page.get_by_text("None yet.").wait_for()
        assert page.evaluate("() => window.pwned") is None and complaints == []


def test_a_chart_is_saved_by_keyboard_as_a_picture_without_network(port: int) -> None:
    with chromium() as browser, opened(browser, port) as (page, asks, complaints):
        page.keyboard.press("3")
        page.keyboard.press("a")
        page.locator("#pop [role=combobox]").wait_for()
        page.keyboard.type("</script>")
        page.keyboard.press("Enter")
        page.locator(".flow").wait_for()
        shown = page.locator(".flow .of em").first.inner_text()
        pictures = {}
        for form in ("png", "svg"):
            page.locator(f"[data-key='{form}-What happens next']").focus()
            with page.expect_download() as taken:
                page.keyboard.press("Enter")
            assert taken.value.suggested_filename.endswith(f"_What_happens_next.{form}")
            pictures[form] = Path(taken.value.path()).read_bytes()
        box = page.get_by_role("region", name="What happens next").bounding_box()
        assert pictures["png"].startswith(b"\x89PNG")
        assert abs(int.from_bytes(pictures["png"][16:20], "big") - 2 * box["width"]) < 2
        drawn = ElementTree.fromstring(pictures["svg"])
        texts = [each.text or "" for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
        assert {"What happens next", shown.replace("\u202f", " ")} <= {text.replace("\u202f", " ") for text in texts}
        assert any(text.startswith("</script>") for text in texts)
        kinds = {each.tag.rpartition("}")[2] for each in drawn.iter()}
        assert kinds == {"svg", "title", "style", "rect", "line", "path", "text"} - ({"line"} - kinds)
        assert b"http" not in pictures["svg"].replace(b"http://www.w3.org/2000/svg", b"")
        assert complaints == []
        assert all(ask.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:")) for ask in asks)


def test_two_users_see_each_other_before_one_replaces(port: int) -> None:
    with chromium() as browser, opened(browser, port) as (mine, _, _one), opened(browser, port) as (theirs, _, _two):

        def save(page: Any, kind: str, said: str) -> None:
            page.keyboard.press(kind)
            says(page, said)
            page.keyboard.press("Control+s")
            page.locator("#pop input").wait_for()
            page.keyboard.press("Control+a")
            page.keyboard.type("ours")
            page.keyboard.press("Enter")

        goals = asked(port, {"kind": "goals"})[1]["said"]
        voice = asked(port, {"kind": "voice", "window": "7d"})[1]["said"]
        save(mine, "7", goals)
        mine.locator("#pop").wait_for(state="hidden")
        save(theirs, "9", voice)
        theirs.locator("[data-key=replace]").wait_for()
        assert goals in theirs.locator("#pop").inner_text()
        assert theirs.evaluate("() => document.activeElement.dataset.key") == "replace"
        theirs.keyboard.press("Enter")
        theirs.locator("#pop").wait_for(state="hidden")
        mine.locator("#saved").focus()
        mine.keyboard.press("Enter")
        mine.locator(".saved .choice").wait_for()
        assert voice in mine.locator(".saved .choice").inner_text()
        mine.get_by_role("button", name="Delete").click()
        mine.get_by_role("button", name="Keep").wait_for()


def test_states_have_their_words_and_a_phone_has_a_sheet(port: int) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    with chromium() as browser, opened(browser, port, **phone) as (page, _, _complaints):
        page.locator("#edit").click()
        page.locator("#add").click()
        page.keyboard.type("hoem")
        page.keyboard.press("Enter")
        page.locator("#close").click()
        page.get_by_role("button", name="Take “Home”").click()
        says(page, "After Home")
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") == 0
        assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
        page.route("**/api/ask", lambda route: route.abort())
        page.locator("#undo").click()
        page.get_by_text("The explorer has stopped").wait_for()


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '\\"') + '"'
