"""Why two reports differ: every cause by hand, and random histories in which all causes add up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import (
    DIFF_CAUSES,
    CellQuestion,
    KeptRun,
    diff,
    forget_customer,
    has_restated,
    keep_run,
    kept_names,
    kept_run,
    kept_site,
    record_restatements,
    restatements,
    split_identities,
)
from analytics.monitoring.runs.cells import CELLS
from analytics.monitoring.runs.diff import explained
from expectations.errors import DefinitionError, StorageError
from tests.analytics.monitoring.runs.histories import RULES, START, History, check, question

CELL = {"week": None, "measure": "customers", "week_end": None, "over_at": None}


def history(folder: Path) -> History:
    """Ann buys with a login, a browser without one buys, Zed looks: day 20 is the end of the data."""
    made = History(folder)
    made.land(("look", 0, "ann", None), ("buy", 1, "ann", None), ("look", 0, None, "x"), ("buy", 2, None, "x"))
    made.land(("look", 20, "zed", None))
    return made


def causes(found: pl.DataFrame, part: str, name: str, week: int | None = 0, measure: str = "customers") -> Any:
    """Then, now, and the causes that are not 0, of one cell."""
    start = None if week is None else START + timedelta(weeks=week)
    rows = found.filter(
        pl.col("part") == part, pl.col("name") == name, pl.col("week").eq_missing(start), pl.col("measure") == measure
    )
    (row,) = rows.to_dicts()
    return row["then"], row["now"], {cause: row[cause] for cause in DIFF_CAUSES if row[cause]}


def test_a_late_event_a_merge_and_new_days_are_told_apart(tmp_path: Path) -> None:
    """Bo's order of day 4 lands late; a login of day 21 makes one customer of Ann and the browser, who count once."""
    shop = history(tmp_path)
    shop.report()
    shop.land(("look", 3, "bo", None), ("buy", 4, "bo", None), ("login", 21, "ann", "x"), ("buy", 22, "zed", None))
    shop.report()
    found = diff(shop.lake)
    assert causes(found, "goals", "Order") == (2, 2, {"identities": -1, "late": 1})
    assert causes(found, "goals", "Order", 3) == (0, 1, {"time": 1})
    assert causes(found, "totals", "all", None) == (3, 3, {"identities": -1, "late": 1})
    assert not found["restated"].any() and found.filter(part="goals")["final"].to_list() == [True, False]
    assert diff(shop.lake, "report-2", "report-2").is_empty()


def test_an_unmerge_and_a_changed_definition_are_told(tmp_path: Path) -> None:
    shop = history(tmp_path)
    shop.land(("login", 3, "ann", "x"))
    shop.report()
    at = START + timedelta(days=101, hours=1)
    split_identities(shop.lake, "customer_id:ann", "anonymous_id:x", decided_at=at)
    shop.report(asked=question(1))
    found = diff(shop.lake)
    assert causes(found, "goals", "Order") == (1, 2, {"identities": 1})
    assert causes(found, "stages", "Order", 0, "journeys") == (1, 1, {"definitions": -1, "identities": 1})
    assert found.filter("restated").select("part", "name").rows() == [("stages", "Look"), ("goals", "Order")]


def test_a_forgotten_customer_is_told_from_rounded_counts_and_nothing_of_them_stays(tmp_path: Path) -> None:
    """Twelve order; one is forgotten. The lake keeps 10 of 12 and says that it is deleted; other weeks are exact."""
    shop = history(tmp_path)
    shop.land(*((name, day, f"c{n}", None) for n in range(10) for name, day in (("look", 1), ("buy", 1.5))))
    shop.land(*(("buy", 9, f"d{n}", None) for n in range(7)))
    shop.report()
    keep_run(shop.lake, kept_run(shop.lake, "report-1"), {"counts": {"stages": 12}})
    assert kept_site(shop.lake, "report-1") == {"counts": {"stages": 12}}
    forget_customer(shop.lake, ["customer_id:c3"], RULES)
    assert kept_site(shop.lake, "report-1") is None
    shop.report()
    found = diff(shop.lake)
    assert causes(found, "goals", "Order") == (10, 11, {"deleted": 1})
    assert found.filter(pl.col("week") > START).is_empty()


def test_a_cell_that_is_rounded_to_nobody_is_none(tmp_path: Path) -> None:
    """Three customers are in week 0, less than half of what is published: once one is forgotten, nothing is told."""
    shop = history(tmp_path)
    shop.report()
    forget_customer(shop.lake, ["customer_id:ann"], RULES)
    kept = kept_run(shop.lake, "report-1").cells
    assert kept.filter(pl.col("week").is_null() | (pl.col("week") == START)).is_empty()
    assert kept.filter(pl.col("value") == 0).is_empty()


def test_a_part_that_one_report_lacks_is_new_or_gone(tmp_path: Path) -> None:
    shop = history(tmp_path)
    shop.report(asked=CellQuestion(question().goals[:1], timedelta(days=7)))
    shop.land(("cart", 3, "bo", None))
    shop.report()
    found = diff(shop.lake).filter(name="In the cart")
    assert found.select("state", "then", "now", "definitions").rows() == [("new", 0, 1, 1)]
    assert diff(shop.lake, "report-2", "report-1").filter(name="In the cart")["state"].to_list() == ["gone"]


def test_a_final_cell_that_moved_is_recorded_once(tmp_path: Path) -> None:
    shop = history(tmp_path)
    shop.report()
    shop.land(("look", 3, "bo", None), ("buy", 4, "bo", None))
    shop.report()
    before, now = (kept_run(shop.lake, name) for name in kept_names(shop.lake))
    assert has_restated(before, now) and not has_restated(now, now)
    found = diff(shop.lake)
    assert record_restatements(shop.lake, found, before, now) == 4
    assert record_restatements(shop.lake, found, before, now) == 0
    told = restatements(shop.lake)
    parts = ["goals", "stages", "stages", "stages"]
    assert told.select("run", "before", "part", "then", "now", "cause").rows() == [
        ("report-2", "report-1", part, 2, 3, "late") for part in parts
    ]
    forget_customer(shop.lake, ["customer_id:bo"], RULES)
    assert restatements(shop.lake).is_empty()


def test_a_cell_within_the_half_per_cent_is_not_restated() -> None:
    def run(value: int) -> KeptRun:
        row = CELL | {"part": "goals", "name": "Order", "value": value, "customers": value}
        row |= {"week": START, "week_end": START, "over_at": START}
        return KeptRun(
            run="run",
            at=START,
            end_of_data=START + timedelta(days=9),
            rules=RULES,
            question=question(),
            positions=pl.DataFrame(),
            rows=0,
            decided_by=None,
            waited=timedelta(),
            erasures=0,
            k=10,
            cells=pl.DataFrame([row], CELLS),
        )

    for value, expected in ((1005, False), (1006, True), (994, True)):
        assert has_restated(run(1000), run(value)) is expected
        switched = [("time", run(1000).cells, run(value).cells)]
        assert explained(run(1000), run(value), switched)["restated"].to_list() == [expected]


@pytest.mark.parametrize(
    ("names", "message"), [((), "no two reports"), (("report-1",), "no two"), (("report-9", "report-1"), "report-9")]
)
def test_reports_that_are_not_kept_are_named(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    shop = History(tmp_path)
    if len(names) > 1:
        shop = history(tmp_path)
        shop.report()
        with pytest.raises(DefinitionError, match="report-1"):
            diff(shop.lake, "report-2", "report-1")
    with pytest.raises(DefinitionError, match=message):
        diff(shop.lake, *names)


def test_a_run_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    shop = history(tmp_path)
    shop.report()
    file = tmp_path / "reported" / "report-1" / "run.json"
    file.write_text(file.read_text().replace('"rows"', '"lines"'))
    with pytest.raises(StorageError, match="cannot be read"):
        kept_run(shop.lake, "report-1")


def test_causes_add_up_in_a_random_history(tmp_path: Path) -> None:
    """200 of them: `make long`."""
    assert sum(check(3, tmp_path).values())
