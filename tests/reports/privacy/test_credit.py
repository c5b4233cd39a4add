"""Credit is published in shares that cover k customers or more, and of channels that enough customers met."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from analytics import Attribution, Paths, attribution, touch_effects, with_costs
from reports.privacy.credit import CREDIT, publishable_credit

K, LEAST = 10, 30


def published(visits: dict[str, str], **options: Any) -> pl.DataFrame | None:
    paths = Paths.from_text(visits, end="90d")
    asked = Attribution("pay", models=("last", "linear", "markov"), **options)
    return publishable_credit(attribution(paths, asked), touch_effects(paths, asked), K, LEAST)


def shop(few: int = 0, alone: int = 0) -> dict[str, str]:
    """Partners send customers who buy after a visit; of `few` customers a chat is the last touch."""
    visits = {f"p{n}": "see@0d[channel=partner] see@1d[channel=web] pay@2d" for n in range(200)}
    visits |= {f"w{n}": f"see@0d[channel=web]{' pay@1d' if n % 4 == 0 else ''}" for n in range(400)}
    visits |= {f"q{n}": "see@0d[channel=partner]" for n in range(60)}
    visits |= {f"c{n}": "see@0d[channel=web] see@1d[channel=chat] pay@2d" for n in range(few)}
    return visits | {f"a{n}": "pay@2d" for n in range(alone)}


def test_shares_are_rounded_so_that_they_cover_k_customers() -> None:
    found = published(shop())
    assert found is not None and found.schema == CREDIT
    assert found["channel"].to_list() == ["web", "partner"]
    for name in ("last", "linear", "markov", "markov_low", "markov_high", "effect", "effect_low", "effect_high"):
        for share in found[name].drop_nulls():
            assert abs(share / 0.05 - round(share / 0.05)) < 1e-9, name  # 300 customers have a goal


def test_who_helps_and_is_never_last_has_an_effect() -> None:
    found = published(shop())
    assert found is not None
    partner = found.row(by_predicate=pl.col("channel") == "partner", named=True)
    assert partner["last"] == 0.0 < partner["markov_low"] and partner["effect_low"] > 0.0
    assert (partner["rate_with"], partner["rate_without"]) == (0.75, 0.25)


def test_a_channel_of_few_customers_is_left_out_and_its_few_change_nothing() -> None:
    found, other = published(shop(few=4)), published(shop(few=7))
    assert found is not None and other is not None
    assert "chat" not in found["channel"].to_list()
    assert found.select("channel", "last", "rate_with").equals(other.select("channel", "last", "rate_with"))


def test_goals_without_a_touch_before_are_a_row() -> None:
    found = published(shop(alone=100))
    assert found is not None
    last = found.row(-1, named=True)
    assert (last["channel"], last["last"], last["markov"], last["effect"]) == (None, 0.25, 0.25, None)


def test_costs_are_told_by_the_published_share_and_in_two_digits() -> None:
    worth = {who: visits.replace("pay@2d", "pay@2d[worth=30]") for who, visits in shop().items()}
    paths = Paths.from_text(worth, end="90d")
    paths = Paths.from_frame(
        paths.touches.with_columns(pl.col("worth").cast(pl.Float64)), end_of_data=paths.end_of_data
    )
    asked = Attribution("pay", models=("last", "linear", "markov"), value="worth")
    credit, effects = attribution(paths, asked), touch_effects(paths, asked)
    days = pl.date_range(date(2024, 1, 1), date(2024, 1, 3), eager=True)
    amounts = {"partner": [50.0, 50.0, 57.0], "web": [10.0, 10.0]}
    costs = pl.concat(
        pl.DataFrame({"day": days[: len(own)], "credited": [name] * len(own), "amount": own})
        for name, own in amounts.items()
    )
    spent = with_costs(credit, costs, days[0], days[-1])
    found = publishable_credit(spent, effects, K, LEAST, is_worth_told=True)
    assert found is not None and found.schema == CREDIT
    partner = found.row(by_predicate=pl.col("channel") == "partner", named=True)
    goals = partner["markov"] * credit["conversions"][0]
    assert partner["cost"] == 157.0 and partner["cost_per_goal"] == float(f"{157 / goals:.2g}")
    assert partner["cost_per_goal_low"] <= partner["cost_per_goal"] <= partner["cost_per_goal_high"]
    exact = credit.row(by_predicate=(pl.col("credited") == "partner") & (pl.col("model") == "markov"), named=True)
    back = exact["value"] / exact["share"] * partner["markov"] / 157
    assert partner["return_on_cost"] == float(f"{back:.2g}")
    web = found.row(by_predicate=pl.col("channel") == "web", named=True)  # a day of it has no cost
    assert (web["cost"], web["cost_per_goal"], web["return_on_cost"]) == (None, None, None)
    unsaid = publishable_credit(spent, effects, K, LEAST)
    assert unsaid is not None and not unsaid["return_on_cost"].count() and unsaid["cost_per_goal"].count()


def test_one_channel_or_too_few_customers_give_nothing() -> None:
    assert published({f"c{n}": "see@0d[channel=web] pay@1d" for n in range(100)}) is None
    assert published({f"c{n}": "see@0d[channel=web] see@1d[channel=mail] pay@2d" for n in range(20)}) is None
    assert published({"c": "see@0d[channel=web]"}) is None
