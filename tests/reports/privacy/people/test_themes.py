"""What customers say tells of no few customers, and no quote that nobody approved or of a theme that is withheld."""

from __future__ import annotations

from typing import Any

from reports.privacy.people.themes import publishable_themes
from reports.privacy.steps import Steps


def theme(name: str | None, responses: int, low: int, texts: int = 400) -> dict[str, Any]:
    shares = {f"{rate}{end}": 0.1 for rate in ("share_of_texts", "low_rate") for end in ("", "_low", "_high")}
    people = {"customers": responses, "customers_without": texts - responses}
    answers = {"scored": responses, "low": low, "customers_low": low, "customers_not_low": responses - low}
    return {"theme": name, "texts": texts, "responses": responses, **people, **answers, **shares}


def quote(theme: str, text: str, customers: int = 90) -> dict[str, Any]:
    return {"theme": theme, "quote": text, "customers": customers}


def published(*rows: dict[str, Any], quotes: list[dict[str, Any]] | None = None) -> dict[tuple[str, str], Any]:
    found = publishable_themes(rows, quotes or [], 10, 30, Steps(10))
    return {(row["measure"], row["group"]): row for row in found}


def test_a_theme_of_few_customers_is_withheld_with_its_low_scores_and_its_quotes() -> None:
    found = published(theme("Slow", 90, 40), theme("Pay", 5, 0), theme("Rest", 80, 3), quotes=[quote("Pay", "x", 90)])
    row, low = found["theme_share", "Pay"], found["low_rate", "Pay"]
    assert (row["state"], row["part"], row["share"], row["quote"]) == ("withheld", None, None, None)
    assert (low["state"], low["part"], low["whole"]) == ("withheld", None, None)
    assert found["low_rate", "Rest"]["part"] is None
    assert [row["state"] for row in found.values()].count("withheld") >= 4, "another one is withheld beside it"


def test_two_quotes_of_a_theme_are_told_in_order_and_none_twice() -> None:
    told = [quote("Slow", text) for text in ("b", "b", "a", "c")]
    found = published(theme("Slow", 90, 40), theme(None, 310, 0), quotes=[*told, quote("Slow", "few", 9)])
    assert (found["theme_share", "Slow"]["quote"], found["theme_share", "Slow"]["second_quote"]) == ("b", "a")
    assert found["low_rate", "Slow"]["quote"] is None and ("low_rate", "") not in found
    alone = published(theme("Slow", 90, 40), theme(None, 310, 0), quotes=[quote("Slow", "few", 9)])
    assert alone["theme_share", "Slow"]["quote"] is None


def test_no_text_and_no_score_have_no_row() -> None:
    assert published(theme("Slow", 0, 0, 0)) == {}
    assert list(published(theme("Slow", 0, 0), theme(None, 400, 0))) == [("theme_share", "Slow"), ("theme_share", "")]
