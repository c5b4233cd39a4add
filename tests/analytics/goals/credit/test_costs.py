"""Costs stand beside the credit of the same days; what is not known is no 0, and nothing spent is lost."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from analytics import Attribution, NamedCosts, Paths, attribution, joined_costs, with_costs
from expectations.errors import DefinitionError
from tests.written import START

DAYS = (date(2024, 1, 1), date(2024, 1, 3))


def credit(**options: Any) -> pl.DataFrame:
    rows = [
        ("ann", 0, "see", "ad", "desk", None),
        ("ann", 1, "see", "mail", None, None),
        ("ann", 24, "pay", None, "phone", 30.0),
        ("bo", 0, "see", "ad", None, None),
        ("bo", 48, "pay", None, "desk", 10.0),
        ("cy", 24, "pay", None, "desk", 5.0),
    ]
    names = ["customer", "at", "touchpoint", "channel", "device", "worth"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        (pl.lit(START) + pl.duration(hours="at")).alias("at")
    )
    asked = Attribution("pay", models=("first", "linear"), value="worth")
    return attribution(Paths.from_frame(frame), asked, **options)


def costs(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["day", "credited", "amount"], orient="row")


SPENT = [(f"2024-01-0{day}", name, amount) for day in (1, 2, 3) for name, amount in (("ad", 4.0), ("tv", 1.0))]


def test_cost_per_goal_and_return_are_by_hand() -> None:
    found = with_costs(credit(), costs(*SPENT, ("2024-01-04", "ad", 99.0), ("2024-01-01", "mail", 2.0)), *DAYS)
    rows = found.select(
        "model", "credited", "credit", "value", "cost", "days_without_cost", "cost_per_goal", "return_on_cost"
    )
    assert rows.rows() == [
        ("first", "ad", 2.0, 40.0, 12.0, 0, 6.0, 40 / 12),
        ("first", "mail", 0.0, 0.0, 2.0, 2, None, None),
        ("first", None, 1.0, 5.0, None, 3, None, None),
        ("first", "tv", 0.0, 0.0, 3.0, 0, None, 0.0),
        ("linear", "ad", 1.5, 25.0, 12.0, 0, 8.0, 25 / 12),
        ("linear", "mail", 0.5, 15.0, 2.0, 2, None, None),
        ("linear", None, 1.0, 5.0, None, 3, None, None),
        ("linear", "tv", 0.0, 0.0, 3.0, 0, None, 0.0),
    ]
    assert found.filter(model="first")["cost"].sum() == 17.0


def test_ends_are_those_of_the_credit_and_of_the_value() -> None:
    visits = {f"c{n}": f"see@0d[channel={'ad' if n % 3 else 'mail'}] pay@1d" for n in range(90)}
    answer = attribution(Paths.from_text(visits), Attribution("pay", models="last"))
    ad = with_costs(answer, costs(*SPENT), *DAYS).row(by_predicate=pl.col("credited") == "ad", named=True)
    assert ad["cost_per_goal_low"] == 12.0 / ad["credit_high"] < ad["cost_per_goal"] < 12.0 / ad["credit_low"]
    assert ad["return_on_cost"] is None


def test_groups_have_no_costs_and_an_empty_answer_keeps_its_columns() -> None:
    found = with_costs(credit(by="device"), costs(*SPENT), *DAYS)
    assert found.filter(~pl.col("is_total"))["cost"].is_null().all()
    assert found.filter("is_total", credited="ad")["cost"].to_list() == [12.0, 12.0]
    nothing = with_costs(credit().clear(), costs(*SPENT), *DAYS)
    assert nothing.is_empty()
    assert nothing.columns == with_costs(credit(), costs(*SPENT), *DAYS).columns


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (pl.DataFrame({"day": ["2024-01-01"]}), "no column 'credited'"),
        (costs(("1/2/24", "ad", 1.0)), "row 1"),
        (costs(("2024-01-01", "ad", 1.0), ("2024-01-02", "ad", -1.0)), "row 2"),
        (costs(("2024-01-01", "ad", float("nan"))), "row 1"),
        (costs(("2024-01-01", "ad", 1.0), ("2024-01-01", "ad", 2.0)), "row 2"),
    ],
)
def test_a_wrong_cost_is_named(wrong: pl.DataFrame, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        with_costs(credit(), wrong, *DAYS)
    assert said in f"{refused.value.what} {refused.value.where}"


def test_a_last_day_before_the_first_is_refused() -> None:
    with pytest.raises(DefinitionError):
        with_costs(credit(), costs(*SPENT), DAYS[1], DAYS[0])


def test_tables_of_costs_add_up_by_day() -> None:
    tables = [NamedCosts(of="ad", first=DAYS[0], last=DAYS[1], a_day=2).rows(), costs(("2024-01-02", "ad", 5.0))]
    assert joined_costs(tables)["amount"].to_list() == [2.0, 7.0, 2.0]
    assert joined_costs([]).is_empty()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"of": "ad"},
        {"of": "ad", "first": "2024-01-02", "last": "2024-01-01", "a_day": 1},
        {"of": "ad", "first": "2024-01-02", "last": "2024-01-03", "a_day": -1},
        {"file": "costs.csv", "of": "ad"},
    ],
)
def test_a_table_of_costs_that_says_too_little_or_too_much_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NamedCosts(**wrong)
