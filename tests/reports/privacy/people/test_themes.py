"""What customers say tells of no few customers, and no quote that nobody approved or of a theme that is withheld."""

from __future__ import annotations

from typing import Any

from reports.privacy.people.themes import publishable_at_stages, publishable_themes
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


def at_stages(**counts: dict[str, tuple[int, int]]) -> dict[tuple[str, str], Any]:
    """Of each theme, the texts with it and all texts, by stage."""
    rows = []
    for name, own in counts.items():
        part, whole = (sum(pair[place] for pair in own.values()) for place in (0, 1))
        rows += [theme(name, part, 0, whole) | {"stage": None}]
        rows += [theme(name, *(n, 0, texts)) | {"stage": stage} for stage, (n, texts) in own.items()]
    return {(row["theme"], row["stage"]): row for row in publishable_at_stages(rows, 10, 30, Steps(10))}


def test_a_stage_of_a_theme_is_not_revealed_as_the_rest_of_its_total() -> None:
    found = at_stages(
        Slow={"Look": (90, 200), "Buy": (4, 100), "Use": (60, 100)},
        Pay={"Look": (80, 200), "Buy": (50, 100), "Use": (40, 100)},
    )
    hidden = {key for key, row in found.items() if row["state"] == "withheld"}
    assert ("Slow", "Buy") in hidden and len(hidden) == 2 and {theme for theme, _ in hidden} == {"Slow"}
    assert all(found[key][name] is None for key in hidden for name in ("part", "whole", "share"))


def test_the_texts_of_a_stage_of_few_customers_are_told_with_no_theme() -> None:
    texts = {"Look": 200, "Buy": 5, "Use": 100}
    found = at_stages(
        Slow={"Look": (90, 200), "Buy": (0, 5), "Use": (60, 100)},
        Pay={"Look": (20, 200), "Buy": (5, 5), "Use": (80, 100)},
    )
    known = {stage: {row["whole"] for (_, at), row in found.items() if at == stage} - {None} for stage in texts}
    assert known["Buy"] == set() and sum(not told for told in known.values()) >= 2


def test_a_theme_that_is_withheld_is_told_at_no_stage() -> None:
    found = at_stages(Slow={"Look": (90, 200), "Use": (60, 100)}, Pay={"Look": (4, 200), "Use": (0, 100)})
    assert {found["Pay", stage]["state"] for stage in ("Look", "Use")} == {"withheld"}
