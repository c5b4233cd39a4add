from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.questions.cube import OTHERS, Cube, build_cube

START = datetime(2026, 6, 1, tzinfo=UTC)
STEPS = ("a", "b", "c")


def _entrants(groups: dict[tuple[str, str], int], weeks: int = 8) -> pl.DataFrame:
    """A stage funnel by group and week: `size` journeys of as many customers, fewer at every step."""
    rows = [
        {"device": device, "region": region, "period": START + timedelta(days=7 * week), "step": step}
        | {"reached": reached, "customers": reached}
        for (device, region), size in groups.items()
        for week in range(weeks)
        for step, reached in enumerate([size, (size + 1) // 3 + size // 3, size // 3], 1)
    ]
    return pl.DataFrame(rows, schema_overrides={"step": pl.UInt32})


def _by(counts: pl.DataFrame) -> Callable[[tuple[str, ...]], pl.DataFrame]:
    """The same counts by fewer columns, of customers who have one journey each."""
    return lambda by: counts.group_by(*by, "period", "step", maintain_order=True).agg(
        pl.col("reached", "customers").sum()
    )


def test_cells_are_weeks_of_two_dimensions_where_these_are_large_enough() -> None:
    cube = build_cube(_by(_entrants({("app", "north"): 60, ("web", "south"): 90})), STEPS, ("device", "region"), 10)
    assert cube is not None
    assert (cube.columns, cube.weeks, cube.left_out) == (("device", "region"), 1, 0.0)
    assert cube.cells.select(pl.col("n1", "n2", "n3").sum()).row(0) == (1200, 800, 400)


@pytest.mark.parametrize(("size", "weeks", "columns"), [(12, 1, 2), (4, 1, 1)])
def test_cube_is_coarser_where_cells_are_small(size: int, weeks: int, columns: int) -> None:
    groups = {(device, region): size for device in ("app", "web") for region in "nsewx"}
    entered = _entrants(groups, weeks=80)
    cube = build_cube(_by(entered), STEPS, ("device", "region"), 10)
    assert cube is not None
    assert (cube.weeks, len(cube.columns)) == (weeks, columns)


def test_no_cell_is_small_and_every_count_is_rounded() -> None:
    cube = build_cube(
        _by(_entrants({("app", "n"): 203, ("web", "n"): 207, ("tv", "n"): 3})), STEPS, ("device", "region"), 10
    )
    assert cube is not None
    assert 0 < cube.left_out < 0.02
    counts = cube.cells.select("n1", "n2", "n3")
    assert all((counts[name] % 10 == 0).all() for name in counts.columns)
    assert set(cube.cells["a"]) == {"app", "web"}


def test_many_journeys_of_few_customers_are_small() -> None:
    counts = _entrants({("app", "n"): 60, ("web", "n"): 60}).with_columns(customers=9)
    assert build_cube(lambda _: counts, STEPS, ("device", "region"), 10) is None


def test_small_groups_are_merged_and_too_few_customers_give_no_cube() -> None:
    groups = {(f"d{number}", "n"): 40 + number for number in range(9)}
    cube = build_cube(_by(_entrants(groups)), STEPS, ("device",), 10)
    assert cube is not None
    assert OTHERS in set(cube.cells["a"]) and cube.cells["a"].n_unique() == 6
    assert build_cube(_by(_entrants({("app", "n"): 1})), STEPS, ("device",), 10) is None
    assert build_cube(_by(_entrants({("app", "n"): 60})), STEPS, (), 10) is None


def _are(**groups: str | None) -> pl.Expr:
    return pl.all_horizontal(pl.lit(True), *(pl.col(name) == one for name, one in groups.items() if one is not None))


def _chosen(cube: Cube, a: str | None = None, b: str | None = None) -> tuple[int, ...]:
    """The counts of a selection, as the page computes them."""
    rows = cube.cells.filter(_are(a=a, b=b))
    return rows.select(pl.col(r"^n\d$").sum()).row(0)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 47), min_size=4, max_size=4))
def test_sums_equal_the_published_counts_of_all_customers_and_every_group(sizes: list[int]) -> None:
    keys = [(device, region) for device in ("app", "web") for region in ("north", "south")]
    entered = _entrants(dict(zip(keys, sizes, strict=True)))
    published: dict[tuple[str | None, str | None], list[int | None]] = {}
    for a, b in (("app", None), ("web", None), (None, "north"), (None, None)):
        rows = entered.filter(_are(device=a, region=b))
        published[a, b] = [int(rows.filter(step=step)["reached"].sum()) for step in (1, 2, 3)]
    cube = build_cube(_by(entered), STEPS, ("device", "region"), 10, published)
    if cube is not None:
        cells = cube.cells.filter(pl.col("start").is_not_null())
        assert (cells.select(pl.col(r"^n\d$") % 10).sum_horizontal() == 0).all()
        for (a, b), counts in published.items():
            there = (a is None or a in cells["a"]) and (b is None or b in cells["b"])
            assert not there or _chosen(cube, a, b) == tuple(counts)


def test_an_unpublished_count_is_the_sum_of_rounded_cells() -> None:
    entered = _entrants({("app", "north"): 63, ("web", "north"): 58})
    cube = build_cube(
        _by(entered),
        STEPS,
        ("device", "region"),
        10,
        {("app", None): [504, None, None], (None, None): [968, None, 321]},
    )
    assert cube is not None
    assert _chosen(cube) == (968, 640, 321)
    assert _chosen(cube, "app") == (504, 320, 160)
