"""Answers in a notebook: charts and tables of every kind of answer, of small, odd and hostile ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from analytics import (
    Funnel,
    PathRules,
    Paths,
    funnel,
    goal_rate,
    members,
    pseudonyms,
    stage_funnel,
    survival,
    trend,
)
from expectations.errors import DefinitionError
from reports.notebook import draw, show

RULES = PathRules(goal=["pay"], stages=[{"name": "Look", "touchpoints": ["visit"]}])  # type: ignore[list-item]
SHOP = Paths.from_text(
    {
        "ann": "visit@0m[device=app] pay@2d",
        "bo": "visit@1m[device=web]",
        "cy": "visit@8d[device=web] pay@8d",
        "di": "visit@9d",
    },
    end="60d",
    rules=RULES,
)
BOUGHT = Funnel(["visit", "pay"], window="7d")


def texts(svg: str) -> list[str]:
    """The words of a picture."""
    return [re.sub(r"<[^>]+>", "", one) for one in re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)]


def test_a_funnel_is_bars_with_the_share_that_went_on() -> None:
    drawn = draw(funnel(SHOP, BOUGHT))
    said = texts(drawn.svg)
    assert {"visit", "pay", "4"} <= set(said)
    assert [one.replace("\u202f", " ") for one in said if "step before" in one] == ["2, 50.0 % of the step before"]
    assert drawn._repr_mimebundle_() == {"image/svg+xml": drawn.svg}
    assert "http" not in drawn.svg.replace("http://www.w3.org", "")


def test_groups_are_dots_with_their_interval_and_an_unknown_group_is_not_all() -> None:
    said = [one.replace("\u202f", " ") for one in texts(draw(goal_rate(SHOP, by="device")).svg)]
    assert {"all", "app", "web", "–"} <= set(said)
    assert any(one.startswith("50.0 % (") for one in said)


def test_a_period_and_a_curve_are_lines_over_time() -> None:
    assert "share of entered" in texts(draw(trend(SHOP, BOUGHT, period="week"), theme="dark").svg)
    assert "converted" in texts(draw(survival(SHOP, BOUGHT)).svg)
    assert "#171C25" in draw(trend(SHOP, BOUGHT, period="week"), theme="dark").svg
    assert "Look" in texts(draw(stage_funnel(SHOP)).svg)


def test_a_share_is_chosen_by_name_and_the_nearest_is_named() -> None:
    answer = funnel(SHOP, BOUGHT)
    assert "share of entered" in texts(draw(answer, "share_of_entered").svg)
    with pytest.raises(DefinitionError, match=r"(?s)no share 'share_of_entred'.*did you mean 'share_of_entered'"):
        draw(answer, "share_of_entred")


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pl.DataFrame({"name": [], "n": []}, schema={"name": pl.String, "n": pl.Int64}), "no rows"),
        (pl.DataFrame({"name": ["a"]}), "a share with its interval, or a count"),
        (pl.DataFrame({"name": ["a"], "n": [None]}, schema={"name": pl.String, "n": pl.Int64}), "only nulls"),
    ],
)
def test_what_cannot_be_drawn_is_said(frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        draw(frame)


def test_hostile_names_are_words_in_charts_and_tables() -> None:
    name = "<script>alert(1)</script>\x1b[31m \u202eback & \"quoted\" '|'"
    frame = pl.DataFrame({"name": [name], "n": [3]})
    svg, table = draw(frame).svg, show(frame).html
    assert "<script" not in svg and "<script" not in table
    assert "\x1b" not in svg + table and "\u202e" not in svg + table
    assert "&lt;script&gt;" in table and "3" in texts(svg)


def test_a_table_says_values_in_words() -> None:
    frame = pl.DataFrame(
        {
            "is_total": [True],
            "goal_rate": [0.274],
            "goal_rate_low": [0.253],
            "goal_rate_high": [0.296],
            "n": [12_345],
            "median_wait": [timedelta(minutes=27)],
            "at": [datetime(2026, 1, 5, tzinfo=UTC)],
            "path": [["visit", "pay"]],
            "enough": [False],
            "nothing": [None],
        }
    )
    cells = re.findall(r"<t[dh]>(.*?)</t[dh]>", show(frame).html.replace("\u202f", " "))
    assert cells[:6] == ["goal rate", "n", "median wait", "at", "path", "enough"]
    assert cells[6:] == ["27.4 % (25.3–29.6)", "12,345", "27 min", "2026-01-05", "visit → pay", "no"]


def test_a_value_that_is_no_share_keeps_its_ends_apart() -> None:
    frame = pl.DataFrame({"nps": [0.2], "nps_low": [-0.1], "nps_high": [0.5]})
    assert re.findall(r"<t[dh]>(.*?)</t[dh]>", show(frame).html) == ["nps", "nps low", "nps high", "0.2", "-0.1", "0.5"]


def test_customers_are_under_pseudonyms_unless_their_keys_are_asked_for() -> None:
    lost = members(SHOP, BOUGHT, step=2, state="dropped")
    assert set(lost["customer"]) == {"bo", "di"}
    hidden = show(lost)
    assert not re.search(r">(bo|di)<", hidden.html) and hidden.frame["customer"].n_unique() == 2
    assert re.search(r">bo<", show(lost, keys="clear").html)
    salt = "a secret of the shop"
    assert show(lost, salt=salt).frame["customer"].to_list() == pseudonyms(lost["customer"], salt).to_list()
    with pytest.raises(DefinitionError, match="pseudonym or clear"):
        show(lost, keys="plain")  # type: ignore[arg-type]


def test_a_long_table_says_how_much_more_there_is() -> None:
    table = show(pl.DataFrame({"n": range(130)})).html
    assert table.count("<tr>") == 101 and "<p>30 more rows</p>" in table
    assert show(pl.DataFrame({"n": []}, schema={"n": pl.Int64})).html.count("<th>n</th>") == 1
