"""Drivers of drop-off: worked examples, the oracle over random customers, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import Funnel, Paths, Step, drivers
from analytics.segments.factors import context_columns
from expectations.errors import DefinitionError
from tests.oracles.why import drivers as oracle
from tests.written import in_parts

MANY = int(os.environ.get("JOURNEYS_EXAMPLES", "40"))
START = datetime(2024, 1, 1, tzinfo=UTC)
BUY = Funnel(["cart", "pay"], window="2d")


def shop(people: Sequence[tuple[dict[str, str | None], bool]]) -> Paths:
    """Customers with these columns, who drop after the cart, or pay."""
    names = list(people[0][0]) if people else ["device"]
    rows = []
    for number, (columns, dropped) in enumerate(people):
        own = [columns[name] for name in names]
        rows.append((f"c{number}", START, "cart", *own))
        if not dropped:
            rows.append((f"c{number}", START + timedelta(hours=1), "pay", *own))
    schema = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "touchpoint": pl.String}
    frame = pl.DataFrame(rows, schema={**schema, **dict.fromkeys(names, pl.String)}, orient="row")
    return Paths.from_frame(frame, end_of_data=START + timedelta(days=60))


def several(count: int, dropped: int, **columns: str | None) -> list[tuple[dict[str, str | None], bool]]:
    return [(columns, number < dropped) for number in range(count)]


def levels(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    rows = table.filter(pl.col("kind").is_in(["attribute", "met"])).to_dicts()
    return {f"{row['factor']}={row['level']}": row for row in rows}


def test_the_admissions_of_berkeley() -> None:
    men = [(512, 313), (353, 207), (120, 205), (138, 279), (53, 138), (22, 351)]
    women = [(89, 19), (17, 8), (202, 391), (131, 244), (94, 299), (24, 317)]
    people = [
        person
        for sex, each in (("men", men), ("women", women))
        for department, (admitted, rejected) in zip("ABCDEF", each, strict=True)
        for person in several(admitted + rejected, rejected, sex=sex, department=department)
    ]
    row = levels(drivers(shop(people), BUY, factors=["sex", "department"]))["sex=women"]
    assert (row["difference"], row["adjusted"]) == pytest.approx((0.1417, -0.0011), abs=1e-4)
    assert (row["adjusted_low"], row["adjusted_high"]) == pytest.approx((-0.0315, 0.0303), abs=5e-5)
    assert (row["explained_by"], row["overlap"], row["p_value"]) == ("department", 1.0, pytest.approx(0.2169, abs=5e-5))


def test_what_is_met_before_is_no_step_and_not_of_the_same_instant() -> None:
    paths = Paths.from_text(
        {
            "ann": "help@1d cart@2d pay@3d",
            "bo": "help@2d cart@2d",
            "cy": "help@1d cart@9d",
            "di": "help@48h cart@9d pay@9d",
        },
        end="60d",
    )
    found = levels(drivers(paths, BUY, factors=["met:help"]))
    assert {name: (row["customers"], row["dropped"]) for name, row in found.items()} == {
        "met:help=yes": (2, 0),
        "met:help=no": (2, 2),
    }
    long = levels(drivers(paths, BUY, factors=["met:help"], before="8d"))
    assert long["met:help=yes"]["customers"] == 3
    with pytest.raises(DefinitionError, match="is a step of the funnel"):
        drivers(paths, BUY, factors=["met:pay"])


def test_two_levels_that_do_more_together_are_found_once() -> None:
    people = [
        person
        for week, device, dropped in (("a", "x", 40), ("a", "y", 50), ("b", "x", 52), ("b", "y", 130))
        for person in several(200, dropped, week_of=week, device=device)
    ]
    table = drivers(shop(people), BUY, factors=["week_of", "device"])
    (row,) = table.filter(kind="together").to_dicts()
    assert (row["factor"], row["level"], row["rate"]) == ("week_of × device", "b × y", 0.65)
    assert (row["rate_first"], row["rate_second"], row["rate_other"]) == (0.26, 0.25, 0.26)
    assert row["difference"] == pytest.approx(0.65 - 0.26 - 0.25 + 0.2)
    assert len(drivers(shop(people), BUY, factors=["week_of", "device"], floor=0.5).filter(kind="together")) == 0


def test_a_copy_of_a_factor_explains_nothing_and_a_near_copy_cannot_be_told_apart() -> None:
    draw = np.random.default_rng(2)
    people: list[Any] = []
    for number in range(800):
        device = "x" if number % 2 else "y"
        near = device if draw.random() > 0.05 else {"x": "y", "y": "x"}[device]
        dropped = bool(draw.random() < (0.6 if device == "x" else 0.3))
        people.append(({"device": device, "copy": device, "near": near, "other": str(number % 3)}, dropped))
    alone = levels(drivers(shop(people), BUY, factors=["device", "other"]))["device=x"]
    copied = levels(drivers(shop(people), BUY, factors=["device", "copy", "other"]))["device=x"]
    assert {**alone, "p_corrected": 0} == {**copied, "p_corrected": 0} and alone["explained_by"] == "other"
    only = levels(drivers(shop(people), BUY, factors=["device", "copy"]))["device=x"]
    assert (only["adjusted"], only["overlap"], only["p_value"]) == (None, 0.0, None)
    near = levels(drivers(shop(people), BUY, factors=["device", "near"]))
    assert near["device=x"]["explained_by"] == "near" and near["near=x"]["explained_by"] == "device"
    assert abs(near["near=x"]["adjusted"]) < abs(near["near=x"]["difference"]) / 2


def test_the_largest_loss_is_the_step_and_what_came_next_is_told() -> None:
    visits = {f"c{number}": "look@0d cart@1d" + (" pay@2d" if number < 3 else " help@2d") for number in range(9)}
    frame = Paths.from_text(visits, end="60d").touches.collect().with_columns(session=pl.lit(1, pl.UInt32))
    table = drivers(Paths.from_frame(frame, end_of_data=START + timedelta(days=60)), Funnel(["look", "cart", "pay"]))
    assert table["step"].unique().to_list() == [3]
    after = table.filter(kind="after").select("level", "customers", "dropped", "rate", "difference").rows()
    assert after == [("help", 6, 6, 1.0, None)]


def test_by_default_context_columns_days_and_what_was_met_are_factors() -> None:
    draw = np.random.default_rng(4)
    text = {
        f"c{number}": f"{'help' if number % 2 else 'home'}@0d[device={'x' if number % 3 else 'y'}] "
        f"cart@{1 + number % 3}d[device={'x' if number % 3 else 'y'}]" + (" pay@5d" if draw.random() < 0.5 else "")
        for number in range(90)
    }
    paths = Paths.from_text(text, end="60d")
    assert context_columns(paths) == ["device"]
    assert set(drivers(paths, Funnel(["cart", "pay"]))["factor"].drop_nulls()) == {
        "device",
        "weekday",
        "met:help",
        "met:home",
    }


def test_small_numbers_have_no_test_and_login_is_told_of_both_sides() -> None:
    frame = shop([*several(40, 35, device="x"), *several(40, 30, device="y")]).touches.collect()
    linked = pl.when(pl.col("customer") < "c3").then(pl.lit("login")).otherwise(pl.lit("device"))
    table = drivers(Paths.from_frame(frame.with_columns(linked=linked), end_of_data=START + timedelta(days=60)), BUY)
    assert not table["enough"].any() and table["p_value"].null_count() == len(table)
    assert 0 < table["login_of_dropped"][0] < 1 and table["login_of_others"][0] is not None


DEVICE = st.sampled_from(["x", "y", None])
PERSON = st.tuples(
    st.fixed_dictionaries({"device": DEVICE, "region": DEVICE, "tier": st.sampled_from("gs")}), st.booleans()
)


@settings(max_examples=MANY)
@given(st.lists(PERSON, min_size=1, max_size=25), st.sampled_from([(), ("region",), ("region", "tier")]))
def test_levels_are_those_of_the_oracle(people: list[Any], adjust: tuple[str, ...]) -> None:
    paths, factors = shop(people), ["device"] if adjust else ["device", "region", "tier"]
    found = drivers(paths, BUY, factors=factors, adjust=adjust)
    assert_frame_equal(drivers(in_parts(paths, 3), BUY, factors=factors, adjust=adjust), found, check_exact=True)
    known = [
        ({name: value or oracle.UNKNOWN for name, value in columns.items()}, dropped) for columns, dropped in people
    ]
    expected = {
        f"{factor}={value}": oracle.level(known, factor, value, adjust)
        for factor in factors
        for value in {columns[factor] for columns, _ in known}
    }
    rows = levels(found)
    assert rows.keys() == expected.keys()
    factor_of, value_of = ({name: name.split("=")[part] for name in expected} for part in (0, 1))
    for name, row in expected.items():
        kept = [column for column in row if column not in ("explained_by", "adjusted_low", "adjusted_high")]
        own = {column: rows[name][column] for column in kept}
        assert own == pytest.approx({column: row[column] for column in kept}, abs=1e-9), name
        if row["adjusted"] is not None:
            by = rows[name]["explained_by"]
            people_of = oracle.level(known, factor_of[name], value_of[name], adjust or (by,))
            ends = {column: rows[name][column] for column in ("adjusted_low", "adjusted_high")}
            assert ends == pytest.approx({column: people_of[column] for column in ends}, abs=1e-9), name


def test_no_entrants_give_the_columns_without_rows() -> None:
    table = drivers(shop([]), BUY, factors=["device"])
    assert (
        len(table) == 0 and table.columns == drivers(shop(several(3, 1, device="x")), BUY, factors=["device"]).columns
    )


@pytest.mark.parametrize(
    ("definition", "options", "message"),
    [
        (Funnel(["cart"]), {}, "one step loses nobody"),
        (BUY, {"step": 1}, "Nobody drops at the first step"),
        (BUY, {"step": 3}, "no step 3"),
        (Funnel(["cart", Step("help", optional=True), "pay"]), {"step": 2}, "optional"),
        (BUY, {"factors": ["devise"]}, r"(?s)no column 'devise'.*did you mean 'device'"),
        (BUY, {"adjust": ["outcome"]}, "follows from the outcome"),
        (BUY, {"factors": ["touchpoint"]}, "follows from the outcome, or from the steps"),
        (Funnel(["cart", "pay"], count="entries"), {}, "of customers"),
        (Funnel(["cart", "pay"], maturity="clip"), {}, "mature entrants"),
        (BUY, {"before": "7"}, "not a length of time"),
    ],
)
def test_what_has_no_drivers_is_refused(definition: Funnel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        drivers(shop(several(9, 4, device="x")), definition, **{"factors": ["device"], **options})
