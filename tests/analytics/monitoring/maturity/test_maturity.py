"""Maturity: medians of several people, means of domains, what differs, what comes next; judged by plain arithmetic."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from analytics import (
    MATURITY_DOMAINS,
    MATURITY_QUESTIONS,
    MaturityAnswers,
    MaturityEvidence,
    maturity,
    maturity_domains,
)

DAY = date(2026, 3, 1)


def answers(by: str, on: date = DAY, **given: Any) -> MaturityAnswers:
    return MaturityAnswers(by=by, on=on, **given)


def test_fifteen_questions_in_five_domains() -> None:
    assert [question.number for question in MATURITY_QUESTIONS] == [*range(1, 16)]
    assert [MATURITY_QUESTIONS[index].domain for index in range(0, 15, 3)] == [*MATURITY_DOMAINS]
    assert len({question.text for question in MATURITY_QUESTIONS}) == 15
    first = MATURITY_QUESTIONS[0]
    assert [first.next_step(value) for value in (1, 2.5, 3, 4.5, 5)] == [first.middle] * 2 + [first.high] * 2 + [None]


def test_random_answers_against_plain_arithmetic() -> None:
    random = Random("maturity")
    for _ in range(25):
        given = [
            answers(
                random.choice(["Ann", "Ben", "Cy"]),
                DAY + timedelta(days=random.randrange(3)),
                **{
                    domain: [random.choice([1, 2, 3, 4, 5, "-"]) for _ in range(3)]
                    for domain in MATURITY_DOMAINS
                    if random.random() < 0.8
                },
            )
            for _ in range(random.randrange(5))
        ]
        rows = maturity(given)
        newest = max([each.on for each in given], default=DAY)
        for days, column in ((newest, "answer"), (newest - timedelta(days=1), "last")):
            found = dict(rows.select("number", column).rows())
            assert found == {number: expected(given, days, number) for number in range(1, 16)}
        domains = {row["domain"]: row["value"] for row in maturity_domains(rows).iter_rows(named=True)}
        values = []
        for place, domain in enumerate(MATURITY_DOMAINS):
            own = [expected(given, newest, place * 3 + index) for index in (1, 2, 3)]
            known = [value for value in own if value is not None]
            values.append(sum(known) / len(known) if len(known) >= 2 else None)
            assert domains[domain] == values[-1]
        assert domains["all"] == (None if None in values else pytest.approx(sum(filter(None, values)) / 5))
        for domain in MATURITY_DOMAINS:
            assert rows.filter(domain=domain)["first"].sum() <= 1


def expected(given: list[MaturityAnswers], until: date, number: int) -> float | None:
    """The median of the newest answers of every person up to a day, by hand."""
    newest: dict[str, MaturityAnswers] = {}
    for each in given:
        if each.on <= until and (each.by not in newest or newest[each.by].on <= each.on):
            newest[each.by] = each
    found = []
    for each in newest.values():
        three = getattr(each, MATURITY_DOMAINS[(number - 1) // 3])
        if three is not None and three[(number - 1) % 3] != "-":
            found.append(three[(number - 1) % 3])
    found.sort()
    half = len(found) // 2
    return None if not found else float(found[half]) if len(found) % 2 else (found[half - 1] + found[half]) / 2


def test_people_who_do_not_agree_are_flagged_and_the_lowest_comes_first() -> None:
    rows = maturity([answers("Ann", acting=[2, 2, 5]), answers("Ben", acting=[4, 2, 5])]).filter(domain="acting")
    assert rows.select("answer", "low", "high", "people", "disputed", "first").rows() == [
        (3.0, 2, 4, 2, True, False),
        (2.0, 2, 2, 2, False, True),
        (5.0, 5, 5, 2, False, False),
    ]
    assert rows["next_step"].to_list()[1:] == ["before and after", None]
    tie = maturity([answers("Ann", acting=[2, 2, 2])]).filter("first")
    assert tie["number"].to_list() == [13]


def test_what_the_lake_says_otherwise_is_marked_and_nothing_else() -> None:
    facts = {
        13: MaturityEvidence("no journey has a target", most=4),
        14: MaturityEvidence("2 changes are noted", least=2),
        15: MaturityEvidence("9 reports", least=2),
    }
    rows = maturity([answers("Ann", acting=[5, 1, "-"])], facts)
    assert rows.filter(domain="acting")["differs"].to_list() == [True, True, False]
    assert rows.filter(domain="listening")["evidence"].to_list() == [None] * 3
    assert not maturity([answers("Ann", acting=[4, 2, 3])], facts)["differs"].any()


def test_without_answers_everything_is_unknown_and_never_one() -> None:
    rows = maturity([])
    assert rows.height == 15 and rows["answer"].null_count() == 15 and rows["people"].sum() == 0
    assert maturity_domains(rows).select("domain", "value", "level").rows() == [
        (domain, None, None) for domain in (*MATURITY_DOMAINS, "all")
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"acting": [1, 2]},
        {"acting": [1, 2, 3, 4]},
        {"acting": [0, 2, 3]},
        {"acting": [1, 2, 6]},
        {"acting": [1, 2.5, 3]},
        {"doing": [1, 2, 3]},
        {"note": {"16": "none"}},
        {"by": ""},
    ],
)
def test_answers_of_another_form_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MaturityAnswers(**({"by": "Ann", "on": DAY} | wrong))
