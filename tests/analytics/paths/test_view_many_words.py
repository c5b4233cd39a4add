"""Analyses of paths are right for any number of words: at and around every width that a code of a word may have."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from analytics import (
    Paths,
    Selection,
    channels,
    conformance,
    deviations,
    effort,
    flow,
    flow_routes,
    handoffs,
    match,
    matches,
    retention,
    step_matrix,
    transitions,
    variants,
    voice,
)
from analytics.store.writer import StoreWriter
from tests.oracles.moves import cells, friction, reaches, switches, whole
from tests.oracles.paths import Unit, edges, links, routes
from tests.oracles.whole_paths.alignment import alignment
from tests.oracles.whole_paths.patterns import spans
from tests.written import START, frame_in_parts

SIZES = [1, 255, 256, 257, 65_535, 65_536]
EDGES = [0, 1, 254, 255, 256, 257, 65_534, 65_535]
OUTCOMES = ["converted", "abandoned", "open"]
STAGES = ["Interest", "Action", None]

sizes = pytest.mark.parametrize("size", SIZES)


@cache
def words(size: int) -> list[str]:
    """So many words, not in the order of their names."""
    names = [f"page {number:05d}" for number in range(size)]
    random.Random(size).shuffle(names)
    return names


@cache
def common(size: int) -> list[str]:
    """Words whose code, or whose place among the words by name, lies at the edge of a width; the last has both."""
    by_code, by_name = words(size), sorted(words(size))
    places = [place for place in EDGES if place < size]
    return [*(by_code[place] for place in places), *(by_name[place] for place in places), by_code[-1], by_name[-1]]


@cache
def units(size: int) -> list[Unit]:
    """Every word once, at most eight to a unit; then the common words one after the other, by three customers."""
    found: list[Unit] = []
    for number, first in enumerate(range(0, size, 8)):
        names = words(size)[first : first + 8]
        found.append((f"c{number:05d}", OUTCOMES[number % 3], [(10 * i, name) for i, name in enumerate(names)]))
    path = [(20 * i, name) for i, name in enumerate(common(size))]
    return found + [(f"z{number}", OUTCOMES[number], path) for number in range(3)]


aligned = cache(alignment)


@cache
def stages(size: int) -> dict[str, str | None]:
    return {name: STAGES[place % 3] for place, name in enumerate(sorted(words(size)))}


def touches(rows: Sequence[Unit]) -> pl.DataFrame:
    """The touches of units, each the one journey of its customer."""
    rows = [
        (who, START + timedelta(seconds=at), name, 1, outcome, int(name[-5:]))
        for who, outcome, path in rows
        for at, name in path
    ]
    names = ["customer", "at", "touchpoint", "journey", "outcome", "number"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("at").dt.convert_time_zone("UTC"))


@cache
def shop(size: int) -> Paths:
    """The touches of the units, in two parts; a touch's channel is called as its touchpoint."""
    frame = touches(units(size))
    stage = pl.col("touchpoint").replace_strict(stages(size), return_dtype=pl.String).alias("stage")
    return frame_in_parts(
        frame.with_columns(stage, pl.col("touchpoint").alias("channel")), len(frame) // 2, START + timedelta(days=60)
    )


@sizes
def test_variants_name_the_paths_that_were_taken_in_the_order_of_their_names(size: int) -> None:
    table = variants(shop(size))
    found = {tuple(path): row for path, *row in table["path", "units", "mature", "reached", "customers"].rows()}
    expected = whole(units(size), collapse=False)
    assert found == {path: [*row[:3], row[4]] for path, row in expected.items()}
    rows = table["units", "path"].rows()
    assert rows == sorted(rows, key=lambda row: (-row[0], row[1]))
    most = min(expected, key=lambda path: (-expected[path][0], path))
    assert variants(shop(size), top=1)["path"].to_list() == [list(most)]


@sizes
def test_variants_of_numbers_are_those_of_the_words(size: int) -> None:
    table = variants(shop(size), on="number")
    found = {tuple(row[0]): row[1] for row in table["path", "units"].rows()}
    expected = whole(units(size), collapse=False)
    assert found == {tuple(str(int(name[-5:])) for name in path): row[0] for path, row in expected.items()}


@sizes
def test_transitions_lead_from_word_to_word(size: int) -> None:
    found = transitions(shop(size))["source", "target", "transitions", "customers"].rows()
    expected = edges(units(size), collapse=False)
    assert {row[:2]: row[2:] for row in found} == {edge: counts[:2] for edge, counts in expected.items()}


@sizes
def test_a_step_matrix_has_the_cells_of_every_word(size: int) -> None:
    found = step_matrix(shop(size), 9)["position", "node", "units"].rows()
    assert {row[:2]: row[2] for row in found} == dict(cells(units(size), 9))


@sizes
@pytest.mark.parametrize("anchor", [None, "start", "end"])
def test_flows_go_through_the_words(size: int, anchor: str | None) -> None:
    last = common(size)[-1]
    start, end = (last if anchor == name else None for name in ("start", "end"))
    table = flow_routes(shop(size), source=start, target=end, depth=3, top=2)
    found = Counter({(tuple(route), ended): n for route, ended, n in table["route", "ended", "units"].rows()})
    assert found == routes(units(size), start, end, 3, 2, None)
    table = flow(shop(size), source=start, target=end, depth=3, top=2)
    rows = table["position", "source", "target", "units", "customers", "reached"].rows()
    assert {row[:3]: row[3:] for row in rows} == links(units(size), start, end, 3, 2, None)


@sizes
def test_patterns_are_found_by_their_words(size: int) -> None:
    first, last = common(size)[0], common(size)[-1]
    many = ("touch", (first, last), False)
    node = ("then", many, ("then", ("many", ("touch", (), True), 0, 99), many))
    expected = [(who, *hit) for who, _, path in units(size) for hit in spans(node, list(path))]
    pattern = f"['{first}' '{last}'] .* ['{first}' '{last}']"
    found = matches(shop(size), pattern)["customer", "position", "touches"]
    assert sorted(found.rows()) == sorted((who, place + 1, length) for who, place, length in expected)
    assert match(shop(size), pattern)["units", "matching"].row(0) == (len(units(size)), len(expected))


@sizes
def test_paths_are_aligned_with_a_design_of_any_words(size: int) -> None:
    design = tuple(dict.fromkeys(common(size)))[:3]
    names = [tuple(name if name in design else "any" for _, name in path) for *_, path in units(size)]
    alignments = [aligned(path, design) for path in names]
    row = conformance(shop(size), design).row(0, named=True)
    assert (row["units"], row["exact"]) == (len(alignments), sum(cost == 0 for cost, _ in alignments))
    assert row["mean_cost"] == pytest.approx(sum(cost for cost, _ in alignments) / len(alignments))
    found = deviations(shop(size), design)["kind", "step", "name", "deviations"]
    times = Counter(move for _, moves in alignments for move in moves)
    named = pl.when(pl.col("name").is_in(design)).then("name").otherwise(pl.lit("any"))
    summed = found.group_by("kind", "step", named).agg(pl.col("deviations").sum())
    assert {deviation[:3]: deviation[3] for deviation in summed.rows()} == dict(times)
    others = Counter(name for *_, path in units(size) for _, name in path if name not in design)
    by_name = found.filter(~pl.col("name").is_in(design)).group_by("name").agg(pl.col("deviations").sum())
    assert dict(by_name.rows()) == others


@sizes
def test_effort_tells_words_apart(size: int) -> None:
    expected = friction(units(size), stages(size), ["Interest", "Action"])
    table = effort(shop(size), exact=True)
    assert set(table["stage"]) == set(expected)
    for row in table.rows(named=True):
        own = expected[row["stage"]]
        entropy = own.pop("entropy")
        assert {name: row[name] for name in own} == own
        assert row["next_entropy"] == pytest.approx(entropy)


@sizes
def test_channels_and_handoffs_tell_words_apart(size: int) -> None:
    found = channels(shop(size))["reach", "channel", "units", "customers", "mature", "reached", "median_touches"].rows()
    assert {row[:2]: row[2:] for row in found} == reaches(units(size))
    moves = handoffs(shop(size))["source", "target", "handoffs", "lost", "units", "customers"].rows()
    assert {row[:2]: row[2:] for row in moves} == {edge: counts[:4] for edge, counts in switches(units(size)).items()}


@sizes
def test_units_are_selected_by_their_words(size: int) -> None:
    last = common(size)[-1]
    passing = {who for who, _, path in units(size) if last in [name for _, name in path]}
    assert variants(shop(size), among=Selection(through=last))["units"].sum() == len(passing)
    kept = Counter(sum(name == last for _, name in path) for *_, path in units(size))
    alone = variants(shop(size), among=Selection(where=pl.col("touchpoint") == last))
    assert {tuple(path): n for path, n in alone["path", "units"].rows()} == {
        (last,) * times: n for times, n in kept.items() if times
    }


@sizes
def test_voice_and_retention_read_the_words(size: int) -> None:
    counts = Counter(name for *_, path in units(size) for _, name in path)
    table = voice(shop(size), by="touchpoint").filter(~pl.col("is_total"))
    assert dict(table["touchpoint", "touches"].rows()) == counts
    last = common(size)[-1]
    later = frame_in_parts(touches(units(size)), len(counts), START + timedelta(days=9))
    passing = {who for who, _, path in units(size) if last in [name for _, name in path]}
    found = retention(later, last, period="day", periods=1)["is_total", "size"].rows()
    assert found == [(True, len(passing)), (False, len(passing))]


@pytest.mark.parametrize("size", [257, 65_536])
def test_a_store_whose_words_outgrow_the_codes_of_its_first_part_is_read_as_one(tmp_path: Path, size: int) -> None:
    all_units = units(size)
    frame = touches(all_units)
    early = all_units[len(all_units) // 3][0]
    with StoreWriter(str(tmp_path)) as writer:
        writer.add(frame.filter(pl.col("customer") < early))
        writer.add(frame.filter(pl.col("customer") >= early))
        writer.finish()
    store = Paths.open(str(tmp_path))
    codes = [part.read(["touchpoint"])["touchpoint"].dtype for part in store.parts]
    assert len(set(codes)) == 2
    assert store.touches.collect().sort("customer", "at")["touchpoint"].to_list() == frame["touchpoint"].to_list()
    found = {tuple(path): n for path, n in variants(store)["path", "units"].rows()}
    assert found == {path: n for path, (n, *_) in whole(all_units, collapse=False).items()}
    moves = transitions(store)["source", "target", "transitions"].rows()
    assert {row[:2]: row[2] for row in moves} == {edge: n for edge, (n, *_) in edges(all_units, collapse=False).items()}
