"""The page behind a proxy offers what can be asked there, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from explorer.proxy.settings import ExploreSettings
from tests.explorer.shop import HOSTILE, explored
from tests.reports.chromium import PATIENCE, chromium

pytestmark = pytest.mark.browser


def test_a_funnel_is_asked_by_keyboard_behind_a_proxy(config: Path) -> None:
    proxy = ExploreSettings(address="http://localhost:0", user_header="X-Forwarded-User", proxies=("127.0.0.1",))
    with chromium() as browser, explored(config, proxy) as port:
        context = browser.new_context(extra_http_headers={"X-Forwarded-User": "mara"})
        context.set_default_timeout(PATIENCE)
        page, complaints = context.new_page(), []
        page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://localhost:{port}/")
        page.locator("body[data-answered]").wait_for()
        assert page.locator("#kinds button").all_inner_texts() == ["Funnel", "Trend"]
        assert page.locator("#save").is_hidden() and page.locator("#saved").is_hidden()
        for word in ("home", "</script>"):
            page.keyboard.press("a")
            page.locator("#pop [role=combobox]").wait_for()
            page.keyboard.type(word)
            page.keyboard.press("Enter")
            page.locator("#pop").wait_for(state="hidden")
        page.locator("h1", has_text=HOSTILE[:20]).wait_for()
        assert page.get_by_role("button", name="add a condition").count() == 0
        assert page.get_by_role("tab").all_inner_texts() == ["journeys.toml"]
        page.keyboard.press("w")
        page.locator("#pop .quick").wait_for()
        assert page.locator("#pop .quick button").all_inner_texts() == ["1 day", "7 days", "14 days", "30 days"]
        page.keyboard.press("Escape")
        page.locator("#bars button").nth(2).focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="All", exact=True).wait_for()
        page.locator("body h1").wait_for()
        page.keyboard.press("2")
        page.locator("[data-key=kind-trend][aria-pressed=true]").wait_for()
        page.locator(".overtime, .state").first.wait_for()
        assert page.evaluate("() => window.pwned") is None and complaints == []
        context.close()
