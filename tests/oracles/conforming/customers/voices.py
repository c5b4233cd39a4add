"""What customers say, as cases ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics import Paired, Stratum, compare_paired, compare_shares, response_rate, survey_score, weighted_score
from expectations.errors import DefinitionError
from tests.oracles.conforming.cases import step_of
from tests.oracles.conforming.customers.activity import check, seen

ENDS = {"low": "response_rate_low", "high": "response_rate_high"}


def score_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The measure of a survey."""
    params = check(case, {"kind", "survey", "scores"})
    return survey_score(params["survey"], numbers(params["scores"])).row(0, named=True)


def weighted_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """The measure of a survey, weighted to all occasions."""
    params = check(case, {"kind", "survey", "strata"})
    strata = [Stratum(each["name"], each["occasions"], numbers(each["scores"])) for each in params["strata"]]
    total, *rows = weighted_score(params["survey"], strata).to_dicts()
    return {**total, "strata": {row["stratum"]: row for row in rows}}


def numbers(scores: Mapping[str, int]) -> dict[float, int]:
    try:
        return {float(score): count for score, count in scores.items()}
    except ValueError:
        raise DefinitionError("A score is a number.", expected="such as 9", found=", ".join(scores)) from None


def response_rate_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Who was asked, and who answered; the surveys of a case together."""
    params = check(case, {"kind", "asked", "answered", "within", "end"})
    within = {"within": params["within"]} if "within" in params else {}
    asked, answered = (
        step_of(each) if isinstance(each, Mapping) else each for each in (params["asked"], params["answered"])
    )
    table = response_rate(seen(case, "survey"), asked, answered, **within, together=True)
    counts = ("invitations", "answered", "open", "answered_open", "uninvited")
    if table.is_empty():
        return {**dict.fromkeys(counts, 0), "response_rate": None, **dict.fromkeys(ENDS)}
    row = table.row(0, named=True)
    return {**row, **{name: row[column] for name, column in ENDS.items()}}


def consistency_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Whether channels have the same share, pair by pair."""
    params = check(case, {"kind", "margin", "channels", "paired"})
    if "paired" in params:
        given = {(each["channel"], each["other"]): Paired(*each["counts"]) for each in params["paired"]}
        table = compare_paired(given, margin=params["margin"])
    else:
        shares = {name: (part, whole) for name, (part, whole) in params["channels"].items()}
        table = compare_shares(shares, margin=params["margin"])
    rows = table.to_dicts()
    verdicts = ("consistent", "inconsistent", "not clear")
    shares_of = {name: sum(row["verdict"] == name for row in rows) / len(rows) if rows else None for name in verdicts}
    widest = max(rows, key=lambda row: abs(row["difference"]), default=None)
    return {"pairs": rows, "shares": shares_of, "widest": widest}
