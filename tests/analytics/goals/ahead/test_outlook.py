"""The outlook of groups: sums of chances of the customers at risk, by what is known of them at the forecast."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from analytics import Forecast, Paths, PersonaRule, PersonaRules, outlook
from expectations.errors import DefinitionError

DAYS = [timedelta(days=1), timedelta(days=7)]
CHANCES = {"ann": (0.1, 0.2), "bo": (0.2, 0.4), "cy": (0.3, 0.6), "zed": (0.4, 0.5)}
SHOP = Paths.from_text(
    {
        "ann": "look@0d[device=phone] look@1d[device=desk] look@5d[device=tv]",
        "bo": "look@0d[device=phone]",
        "cy": "look@2d look@2d[device=phone]",
        "dora": "look@1d[device=desk]",
    },
    end="9d",
)


def found(days: int = 3) -> Forecast:
    """A forecast that stands some days after the first touch; Dora is not at risk, and Zed is in no path."""
    rows = [(who, length, chance) for who, each in CHANCES.items() for length, chance in zip(DAYS, each, strict=True)]
    scores = pl.DataFrame(
        rows, {"customer": pl.String, "horizon": pl.Duration("us"), "chance": pl.Float64}, orient="row"
    )
    assert SHOP.end_of_data is not None
    at, none = SHOP.end_of_data - timedelta(days=9 - days), pl.DataFrame()
    return Forecast(none, none, none, scores, "hazard", "", tested=at, at=at, learned=(), objected=0)


def test_groups_are_those_of_the_last_touch_up_to_the_forecast_and_add_up_to_the_total() -> None:
    table = outlook(SHOP, found(), by="device")
    rows = table.select("device", "is_total", "horizon", "customers", pl.col("expected_goals").round(9)).rows()
    expected = [(None, True, 4, (1.0, 1.7)), ("desk", False, 1, (0.1, 0.2)), ("phone", False, 2, (0.5, 1.0))]
    expected.append((None, False, 1, (0.4, 0.5)))
    assert rows == [(*who, day, size, goals[n]) for *who, size, goals in expected for n, day in enumerate(DAYS)]
    assert not table["enough"].any()
    assert (table["expected_low"] <= table["expected_goals"]).all()
    assert (table["expected_goals"] <= table["expected_high"]).all()


def test_personas_are_columns_like_any_other() -> None:
    everybody = SHOP.with_personas(PersonaRules([PersonaRule("Everybody")]))
    table = outlook(everybody, found(), by=["persona", "device"]).filter(horizon=DAYS[0])
    seen = table.filter(~pl.col("is_total")).select("persona", "device", "customers").rows()
    assert sum(size for *_, size in seen) == 4 and (None, None, 1) in seen


def test_nobody_at_risk_is_no_row() -> None:
    nobody = found()
    assert outlook(SHOP, Forecast(**{**vars(nobody), "scores": nobody.scores.clear()}), by="device").is_empty()


@pytest.mark.parametrize("by", ["horizon", "customer", "devise", []])
def test_what_is_no_breakdown_is_refused(by: str | list[str]) -> None:
    with pytest.raises(DefinitionError, match=r"broken down|device"):
        outlook(SHOP, found(), by=by)
