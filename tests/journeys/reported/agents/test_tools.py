"""The eight tools: what they take and how long their answers are, held over 200 questions."""

from __future__ import annotations

import json
import random
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from expectations.errors import DefinitionError
from journeys.reported.agents.agents import tools_of
from journeys.reported.agents.arguments import ARGUMENTS, schema_of
from journeys.reported.agents.budget import tokens_of
from journeys.reported.agents.tools import Tools
from tests.journeys.reported.agents.test_published import asked, cards_of

MEDIAN, P99, RIGHT = 440, 4_000, 0.99
TAKES = {
    "vocabulary": ["find"],
    "ask": ["of", "where", "columns", "rows", "report", "steps", "window", "by", "segment", "start", "end", "rules"],
    "why": ["of", "week", "before", "after"],
    "standing": ["by", "rows"],
    "voice": ["theme", "rows"],
    "quality": ["rows"],
    "explain": ["of"],
    "sql": ["query", "rows"],
}
Question = tuple[str, dict[str, Any]]


def test_tools_take_what_they_took() -> None:
    """Agents and skill files of others name these."""
    assert {name: list(schema_of(one)["properties"]) for name, one in ARGUMENTS.items()} == TAKES
    assert all(schema_of(one)["additionalProperties"] is False for one in ARGUMENTS.values())


def test_schemas_are_short() -> None:
    sizes = {name: tokens_of(json.dumps(schema_of(one)) + (one.__doc__ or "")) for name, one in ARGUMENTS.items()}
    assert sizes["ask"] <= 700 and sum(sizes.values()) <= 1_500, sizes


def test_the_schema_of_sql_is_short(published: Tools) -> None:
    assert tokens_of(published.call("sql", {})[0]) <= 1_500


def questions(cards: dict[str, Any], draw: random.Random) -> list[Question]:
    """Two hundred questions as agents ask them: mostly cards, with rows, columns, values and words in other cases."""
    found: list[Question] = [("vocabulary", {}), ("quality", {}), ("why", {}), ("standing", {}), ("sql", {})]
    found += [("vocabulary", {"find": word}) for word in ("touchpoints", "groups", "buy", "phone", "share")]
    found += [("why", {"week": f"2024-W0{number}"}) for number in (1, 2, 3)]
    found += [("why", {"of": name}) for name in ("See", "Want", "Bought", "look")]
    found += [("explain", {"of": name}) for name in ("posthog", "mixpanel", "share_of_previous", "open", "late")]
    tables = [card.replace("-", "_") for card in draw.sample(sorted(cards), 8)]
    found += [("sql", {"query": f"select * from {name} limit {draw.choice([3, 30])}"}) for name in tables]
    for card, part in cards.items():
        spelt = draw.choice([card, card.upper(), card.replace("-", "_"), card.replace("-", " ")])
        found += [("ask", {"of": spelt}), ("vocabulary", {"find": card}), ("explain", {"of": card})]
        found.append(("ask", {"of": card, "rows": draw.choice([1, 5, 20])}))
        names = list(part["frame"])
        found.append(("ask", {"of": card, "columns": names[: draw.randrange(1, 4)]}))
        texts = [(name, one) for name in names for one in set(part["frame"][name]) if isinstance(one, str)]
        for name, one in draw.sample(sorted(texts), min(4, len(texts))):
            found.append(("ask", {"of": card, "where": {name: draw.choice([one, one.upper(), [one]])}}))
    return found


def test_two_hundred_questions_are_answered_at_once_and_shortly(published: Tools, config: Path) -> None:
    draw = random.Random(3)
    every = questions(cards_of(config), draw)
    chosen = (every + draw.choices(every, k=200))[:200]
    answers = [published.call(name, arguments) for name, arguments in chosen]
    wrong = [(question, text) for question, (text, failed) in zip(chosen, answers, strict=True) if failed]
    sizes = [tokens_of(text) for text, _ in answers]
    assert len(chosen) == 200 and len(wrong) <= (1 - RIGHT) * 200, wrong
    assert median(sizes) <= MEDIAN and quantiles(sizes, n=100)[-1] <= P99
    for text, _ in answers:
        answer = json.loads(text)
        assert answer["mode"] == "published"
        if answer.get("rows"):
            assert answer["receipt"], "a number without its receipt"


@given(
    some.sampled_from(list(ARGUMENTS)),
    some.dictionaries(
        some.sampled_from([*{name for names in TAKES.values() for name in names}, "other"]),
        some.recursive(
            some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), some.text(max_size=20)),
            lambda inner: some.lists(inner, max_size=2) | some.dictionaries(some.text(max_size=5), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=3,
    ),
)
@settings(max_examples=40)
def test_whatever_is_asked_an_answer_is_json_and_no_crash(published: Tools, name: str, arguments: Any) -> None:
    text, failed = published.call(name, arguments)
    answer = json.loads(text)
    assert "\n" not in text and answer["mode"] == "published"
    assert not failed or answer["code"] != "INTERNAL", text


def test_a_crash_names_no_value(published: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ValueError("secret-key-001")

    monkeypatch.setattr(published.answers, "quality", fail)
    text, failed = published.call("quality", {})
    assert failed and json.loads(text)["code"] == "INTERNAL" and "secret" not in text


def test_fewer_tools_can_be_offered(config: Path) -> None:
    tools = tools_of(config, ["ask", "vocabulary"], mine=False)
    assert tools.names == ["vocabulary", "ask"]
    text, failed = tools.call("sql", {})
    assert failed and json.loads(text)["expected"] == "one of vocabulary, ask"
    with pytest.raises(DefinitionError, match="did you mean 'ask'"):
        tools_of(config, ["asks"], mine=False)


def test_a_withdrawn_or_new_report_is_seen_at_once(published: Tools, config: Path) -> None:
    assert asked(published, "sql", query="select count(distinct report) from goals")["rows"] == [[1]]
