"""Hand-made answers for charts and pages, with the columns that analytics returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from math import ceil, sqrt
from typing import Any

import polars as pl

from analytics import Paths, main_goal
from reports.privacy import flow, stages
from reports.privacy.paths import publishable_moves, publishable_paths, publishable_positions, publishable_use
from reports.privacy.watches import DAYS, INCIDENTS, RISES, Incidents
from reports.questions.answers import Answers, Facts, Origin, Pace, People
from reports.questions.cube import build_cube
from reports.questions.problems import weeks
from reports.questions.problems.act_first import problems
from reports.questions.problems.drivers import DRIVERS
from reports.questions.problems.incidents import marked_weeks, steps_of
from reports.questions.problems.pains import FRICTION
from reports.questions.quality import VERDICTS, Evidence
from reports.questions.time import pacing
from reports.settings import ReportSettings
from tests.reports.journeys import Journey, paths_of
from tests.reports.people import people_answers

START = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2026, 8, 29, 23, 59, 42, tzinfo=UTC)
BUILT_AT = datetime(2026, 8, 30, 6, 0, tzinfo=UTC)
STAGES = ("Awareness", "Interest", "Desire", "Action", "Order placed")
COUNTS = (18240, 12288, 8322, 5483, 2445)
WINDOW = timedelta(days=14)
WAITS = (None, 4 * 60, 3 * 3600, 79, 27 * 60)
SEGMENTS = {
    "Device": {"Mobile web": (0.50, 0.92), "Desktop": (0.32, 1.03), "App": (0.18, 1.15)},
    "Region": {"North": (0.4, 1.0), "South": (0.3, 1.0), "East": (0.28, 0.97), "Islands": (0.0009, 1.0)},
}
ROUTES: list[tuple[list[str], str | None, int, int]] = [
    (["Ad click", "Product page", "Basket", "Checkout", "Order placed"], "converted", 722, 722),
    (["Ad click", "Home or landing page", "Product page", "Basket", "Checkout", "Payment submitted"], None, 640, 377),
    (["Ad click"], "abandoned", 3194, 0),
    (["Ad click", "Product page"], "abandoned", 2157, 0),
    (["Search", "Product page", "Review", "Product page", "Basket", "Checkout"], None, 512, 260),
    (["Search", "Product page", "Basket", "Order placed"], "converted", 328, 328),
    (["Search"], "abandoned", 1400, 0),
    (["Search", "Home or landing page", "Product page"], "abandoned", 900, 0),
    (["Search", "Home or landing page"], "open", 150, 0),
    (["Email opened", "Product page", "Basket", "Checkout", "Order placed"], "converted", 395, 395),
    (["Email opened", "Product page"], "abandoned", 1409, 0),
    (["Email opened", "Basket"], "abandoned", 240, 0),
    (["Store visit", "Call centre", "Order placed"], "converted", 44, 44),
    (["Store visit", "other"], "abandoned", 61, 0),
    (["other", "Product page"], "abandoned", 7, 0),
    (["other", "Home or landing page", "Call centre", "other", "Basket", "other"], None, 33, 4),
]


NOTHING_ELSE: dict[str, Any] = dict.fromkeys(
    ("paths", "positions", "moves", "used", "weeks", "linked", "times", "incidence", "cube", "incidents", "friction")
) | {"evidence": Evidence(), "people": People()}
TOUCHPOINTS = tuple(dict.fromkeys(name for route, *_ in ROUTES for name in route if name != "other"))


def wilson(part: int, whole: int) -> tuple[float | None, float | None, float | None]:
    if whole == 0:
        return None, None, None
    z, share = 1.959964, part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return share, max(0.0, middle - half), min(1.0, middle + half)


def funnel_frame(counts: tuple[int, ...] = COUNTS, names: tuple[str, ...] = STAGES) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for index, (name, reached) in enumerate(zip(names, counts, strict=True)):
        before = counts[index - 1] if index else 0
        of_entered, of_previous = wilson(reached, counts[0]), wilson(reached, before)
        wait = WAITS[index % len(WAITS)]
        length = timedelta(seconds=wait) if wait and index else None
        rows.append(
            {
                "is_total": True,
                "step": index + 1,
                "name": name,
                "kind": "goal" if index == len(counts) - 1 else "stage",
                "entered": counts[0],
                "reached": reached,
                "touched": reached - reached // 20,
                "skipped": reached // 20,
                "open": 1312 // (index + 1),
                "direct": 0,
                "late": 120,
                "all_stages": counts[-1] * 4 // 5 if index == len(counts) - 1 else None,
                **customers_of(reached, before, counts, index),
                "share_of_entered": of_entered[0],
                "share_of_entered_low": of_entered[1],
                "share_of_entered_high": of_entered[2],
                "share_of_previous": of_previous[0] if index else None,
                "share_of_previous_low": of_previous[1] if index else None,
                "share_of_previous_high": of_previous[2] if index else None,
                "median_wait": length,
                "p90_wait": length * 9 if length else None,
                "waits": reached if index else 0,
                "backward": 0,
                "value": None,
                "enough": before >= 30,
            }
        )
    return pl.DataFrame(
        rows,
        schema_overrides={
            "step": pl.UInt32,
            "all_stages": pl.Int64,
            "value": pl.Float64,
            "median_wait": pl.Duration("us"),
            "p90_wait": pl.Duration("us"),
            "share_of_previous": pl.Float64,
            "share_of_previous_low": pl.Float64,
            "share_of_previous_high": pl.Float64,
            "share_of_entered": pl.Float64,
            "share_of_entered_low": pl.Float64,
            "share_of_entered_high": pl.Float64,
        },
    )


def customers_of(reached: int, before: int, counts: tuple[int, ...], index: int) -> dict[str, int]:
    """The customers behind the counts of a row of `funnel_frame`, with one journey each."""
    is_goal = index == len(counts) - 1
    return {
        "customers": reached,
        "customers_entered": counts[0],
        "customers_lost": before - reached if index else 0,
        "customers_touched": reached - reached // 20,
        "customers_skipped": reached // 20,
        "customers_open": 1312 // (index + 1),
        "customers_open_lost": 1312 // index - 1312 // (index + 1) if index else 0,
        "customers_direct": 0,
        "customers_late": 120,
        "customers_never": max(0, counts[0] - counts[-1] - 120),
        "customers_all_stages": counts[-1] * 4 // 5 if is_goal else 0,
        "customers_not_all_stages": counts[-1] - counts[-1] * 4 // 5 if is_goal else 0,
        "customers_waited": reached if index else 0,
        "customers_backward": 0,
    }


def segment_frame(
    groups: dict[str, dict[str, tuple[float, float]]] = SEGMENTS, names: tuple[str, ...] = STAGES, size: float = 1.0
) -> pl.DataFrame:
    rows = []
    for dimension, members in groups.items():
        for segment, (part, lift) in members.items():
            previous = round(COUNTS[0] * part * size)
            for index, name in enumerate(names[1:], 1):
                everyone = COUNTS[index] / COUNTS[index - 1]
                reached = min(previous, round(previous * everyone * lift))
                share, low, high = wilson(reached, previous)
                gap = (share or 0.0) - everyone
                half = ((high or 0) - (low or 0)) / 2
                verdict = "above" if gap > half else "below" if gap < -half else "same"
                rows.append(
                    {
                        "dimension": dimension,
                        "segment": segment,
                        "step": index + 1,
                        "name": name,
                        "previous": previous,
                        "reached": reached,
                        "customers_previous": previous,
                        "customers": reached,
                        "customers_lost": previous - reached,
                        "share": share,
                        "low": low,
                        "high": high,
                        "everyone": everyone,
                        "difference": gap,
                        "difference_low": gap - half,
                        "difference_high": gap + half,
                        "verdict": verdict,
                    }
                )
                previous = reached
    return pl.DataFrame(rows, schema_overrides={"step": pl.UInt32})


def flow_frame(routes: Sequence[tuple[list[str], str | None, int, int]] = ROUTES, share: float = 1.0) -> pl.DataFrame:
    """The cells of a flow of these routes: all units are mature, and have so large a `share` of customers."""
    counts: Counter[tuple[Any, ...]] = Counter()
    reached: Counter[tuple[Any, ...]] = Counter()
    for route, ended, units, converted in routes:
        cells: list[tuple[Any, ...]] = [(place, name, None, None, None) for place, name in enumerate(route, 1)]
        for place, link in enumerate(pairwise(route), 1):
            cells += [(place, *link, None, None), *((place, *link, at, name) for at, name in enumerate(route, 1))]
        if ended is not None:
            cells.append((len(route), route[-1], f"END_{ended.removeprefix('END_')}", None, None))
        counts.update(dict.fromkeys(cells, units))
        reached.update(dict.fromkeys(cells, converted))
    rows = []
    for cell, units in counts.items():
        people = [ceil(count * share) for count in (units, reached[cell], units - reached[cell])]
        rows.append((*cell, units, reached[cell], *people))
    names = ("customers_mature", "customers_reached", "customers_lost")
    texts = dict.fromkeys(("source", "target", "through"), pl.String)
    schema = {"position": pl.UInt32, "source": pl.String, "target": pl.String, "through_position": pl.UInt32, **texts}
    counted = dict.fromkeys(("mature", "reached", *names), pl.Int64)
    return pl.DataFrame(rows, schema={**schema, **counted}, orient="row")


MATURE = sum(units for _, ended, units, _ in ROUTES if ended != "open")


def variants_frame(routes: list[tuple[list[str], str | None, int, int]] = ROUTES) -> pl.DataFrame:
    whole = [route for route in routes if route[1] in ("converted", "abandoned") and "other" not in route[0]]
    return pl.DataFrame(
        {
            "path": [path for path, *_ in whole],
            "units": [units for _, _, units, _ in whole],
            "mature": [units for _, _, units, _ in whole],
            "reached": [converted for *_, converted in whole],
            "customers_reached": [converted for *_, converted in whole],
            "customers_lost": [units - converted for _, _, units, converted in whole],
        }
    )


def matrix_frame(routes: list[tuple[list[str], str | None, int, int]] = ROUTES) -> pl.DataFrame:
    depth, every = max(len(path) for path, *_ in routes), sum(units for _, _, units, _ in routes)
    cells: Counter[tuple[int, str]] = Counter()
    for path, ended, units, _ in routes:
        for position in range(depth):
            cells[position + 1, path[position] if position < len(path) else f"END_{ended}"] += units
    rows = [(*cell, units, units, units / every) for cell, units in cells.items()]
    counts = {"units": pl.Int64, "customers": pl.Int64, "share_of_units": pl.Float64}
    return pl.DataFrame(rows, schema={"position": pl.UInt32, "node": pl.String, **counts}, orient="row")


def changes_frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "step": [1, 2, 3, 4, 5],
            "name": list(STAGES),
            "earlier_entered": [5900] * 5,
            "later_entered": [6083] * 5,
            "earlier_share_of_entered": [1.0, 0.67, 0.45, 0.3, 0.13],
            "later_share_of_entered": [1.0, 0.68, 0.46, 0.3, 0.138],
            "entered_difference": [None, 0.01, 0.01, 0.0, 0.008],
            "entered_low": [None, -0.007, -0.008, -0.016, -0.004],
            "entered_high": [None, 0.027, 0.028, 0.016, 0.020],
            "previous_difference": [None, 0.01, 0.004, -0.01, 0.031],
            "previous_low": [None, -0.007, -0.02, -0.03, 0.004],
            "previous_high": [None, 0.027, 0.02, 0.01, 0.058],
        }
    )


def voice_frame(names: tuple[str, ...] = STAGES) -> pl.DataFrame:
    shares = [0.59, 0.70, 0.52, 0.42, 0.78]
    return pl.DataFrame(
        {
            "stage": list(names),
            "responses": [410, 380, 300, 290, 240],
            "satisfied": shares,
            "low": [share - 0.03 for share in shares],
            "high": [share + 0.03 for share in shares],
        }
    )


def transitions_frame(routes: list[tuple[list[str], str | None, int, int]] = ROUTES) -> pl.DataFrame:
    moves: Counter[tuple[str, str]] = Counter()
    for route, ended, units, _ in routes:
        nodes = ["START", *route, *([f"END_{ended}"] if ended else [])]
        for move in pairwise(nodes):
            moves[move] += units
    rows = [(source, target, units, units) for (source, target), units in moves.most_common()]
    return pl.DataFrame(rows, schema=["source", "target", "transitions", "customers"], orient="row")


def used_frame(names: tuple[str, ...] = STAGES, touchpoints: tuple[str, ...] = TOUCHPOINTS) -> pl.DataFrame:
    rows = []
    for index, name in enumerate(names):
        for place, touchpoint in enumerate(touchpoints[index : index + 3]):
            rows.append((name, touchpoint, COUNTS[index] // (place + 1), COUNTS[index]))
    return publishable_use(pl.DataFrame(rows, schema=["stage", "touchpoint", "customers", "of"], orient="row"), 10)


def weeks_frame(names: tuple[str, ...] = STAGES) -> pl.DataFrame:
    rows = []
    for week in range(12):
        previous = 1000
        for step, name in enumerate(names[1:], 2):
            share = 0.6 + 0.01 * ((week * 7 + step * 3) % 5 - 2)
            share -= 0.15 if week in (7, 8) and step == len(names) else 0
            reached = round(previous * share)
            start = date(2026, 6, 1) + timedelta(days=7 * week)
            rows.append((step, name, start, previous, reached, week == 11))
            previous = reached
    schema = {
        "step": pl.UInt32,
        "name": pl.String,
        "week": pl.Date,
        "previous": pl.Int64,
        "reached": pl.Int64,
        "is_open": pl.Boolean,
    }
    return weeks.with_intervals(with_customers(pl.DataFrame(rows, schema=schema, orient="row")), 10, 30)


def with_customers(weekly: pl.DataFrame) -> pl.DataFrame:
    """Weekly counts with the customers behind them, who have one journey each."""
    return weekly.with_columns(
        customers="previous",
        customers_reached="reached",
        customers_lost=pl.col("previous") - pl.col("reached"),
        effective=pl.col("previous").cast(pl.Float64),
    )


def incidents_of(names: tuple[str, ...] = STAGES, group: str = "Mobile web") -> Incidents:
    """Payment on phones fell for twelve days and errors rose with it; a channel's data are late."""
    days = [date(2026, 6, 23) + timedelta(days=number) for number in range(54)]
    fallen = (date(2026, 7, 21), date(2026, 8, 1))
    base = dict.fromkeys(INCIDENTS) | {"is_new_usual": False, "opened": fallen[0], "p_corrected": 1e-6}
    fall = {
        **{"alert": "pay", "rule": "unusual", "status": "closed", "measure": "pair"},
        **{"name": f"{names[-2]} -> {names[-1]}", "source": names[-2], "target": names[-1], "stage": names[-2]},
        **{"dimension": "Device", "segment": group, "within_seconds": 86_400, "closed": date(2026, 8, 3)},
        **{"first": fallen[0], "last": fallen[1], "seen": 70, "of": 190, "share": 0.3684, "expected": 0.595},
        **{"expected_low": 0.52, "expected_high": 0.66, "goals": 43.0, "low": 28.0, "high": 58.0},
    }
    late = {
        **{"alert": "late", "rule": "missing", "status": "open", "measure": "channel", "name": names[0], "seen": 10},
        **{"first": date(2026, 8, 27), "last": date(2026, 8, 28), "opened": date(2026, 8, 28), "expected": 140.0},
    }
    rises = [{"alert": "pay", "measure": "errors", "name": "errors", "seen": 60, "of": 2_000, "expected": 0.004}]
    by_day = [
        {"alert": "pay", "day": day, "of": 20, "low": 0.5, "high": 0.7, "others": 0.61}
        | {"share": 0.37 if fallen[0] <= day <= fallen[1] else 0.6}
        for day in days
    ]
    return Incidents(
        pl.DataFrame([base | late, base | fall], schema=INCIDENTS, orient="row"),
        pl.DataFrame(rises, schema=RISES, orient="row"),
        pl.DataFrame(by_day, schema=DAYS, orient="row"),
    )


def problems_frame(stages_: pl.DataFrame, segments: pl.DataFrame | None, incidents: Incidents) -> pl.DataFrame | None:
    """The problems of the incidents, and of all groups below the others, none of them folded."""
    below = (
        [] if segments is None else segments.filter(verdict="below").drop_nulls(["difference", "previous"]).to_dicts()
    )
    drivers = [
        {**row, "journeys": row["previous"], "adjusted": row["difference"], "p_corrected": 0.001}
        | {"low": row["difference_low"], "high": row["difference_high"], "explained_by": None}
        for row in below
    ]
    table = pl.DataFrame([{name: row[name] for name in DRIVERS} for row in drivers], schema=DRIVERS, orient="row")
    goal = main_goal(["Order placed"])
    asking = problems(ReportSettings(), goal, stages_, steps_of(incidents, stages_), (table, {}))
    assert next(asking) == {}
    try:
        asking.send({})
    except StopIteration as found:
        return found.value  # type: ignore[no-any-return]
    raise AssertionError("problems ask once")


def friction_frame(names: tuple[str, ...], trouble: str = "Error shown") -> pl.DataFrame:
    """What journeys meet at the first stages, the trouble clearly costing goals."""
    rows = [
        (names[0], "repeat", None, 9_000, 1_080, 0.12, False),
        (names[1], "slow", None, 12_000, 1_500, 0.125, True),
        (names[1], "repeat", None, 12_000, 600, 0.05, False),
        (names[2], "back", None, 7_000, 560, 0.08, False),
        (names[2], "trouble", trouble, 7_000, 280, 0.04, True),
    ]
    return pl.DataFrame(rows, schema=FRICTION, orient="row")


def linked_frame() -> pl.DataFrame:
    return pl.DataFrame({"way": ["login", "device", "session", "anonymous"], "share": [0.331, 0.564, 0.003, 0.102]})


def counts_of(customers: int = 4000) -> Callable[[tuple[str, ...]], pl.DataFrame]:
    """A stage funnel by week and device, region or both, of so many customers with one journey each."""
    rows = [
        {
            "device": ("App", "Desktop", "Mobile web")[number % 3],
            "region": ("North", "South")[number % 2],
            "period": START + timedelta(days=7 * (number % 70 // 7)),
            "step": step,
        }
        for number in range(customers)
        for step in range(1, 2 + sum(number % 7 > least for least in (1, 3, 4, 5)))
    ]
    frame = pl.DataFrame(rows, schema_overrides={"step": pl.UInt32})
    counts = [pl.len().cast(pl.Int64).alias(name) for name in ("reached", "customers")]
    return lambda by: frame.group_by(*by, "period", "step", maintain_order=True).agg(counts)


@cache
def journeys_of(journeys: int = 4000) -> Paths:
    rows: list[Journey] = [
        (
            number,
            START + timedelta(days=number % 70),
            timedelta(minutes=(number % 97) ** 2 * 4),
            number % 7 > 5,
            ("App", "Desktop", "Mobile web")[number % 3],
        )
        for number in range(journeys)
    ]
    return paths_of(rows, END)


def evidence_of() -> Evidence:
    days = [date(2026, 8, 20) + timedelta(days=day) for day in range(5)]
    rows = [("events", None, day, "warn", 24 - (day.day % 2), 24, None) for day in days]
    rows += [("events", "event_id values must be unique.", day, "warn", 1 - day.day % 2, 1, 0.013) for day in days]
    rows += [("touches", None, day, "refuse", 12, 12, None) for day in days]
    refused = pl.DataFrame({"reason": ["not_json", "no_identity"], "messages": [93, None]})
    return Evidence(pl.DataFrame(rows, schema=VERDICTS, orient="row"), refused, END, 0.003)


def maturity_frame(word: str = "a picture on a wall") -> pl.DataFrame:
    """Domains of which one was not answered, and one has no next step; `word` is that of another."""
    values = (2.5, 3.0, None, 5.0, 2.2)
    schema = {"domain": pl.String, "value": pl.Float64, "low": pl.Int64, "high": pl.Int64, "last": pl.Float64}
    schema |= {"level": pl.String, "number": pl.Int64, **dict.fromkeys(("question", "next_step", "help"), pl.String)}
    domains = ("listening", "understanding", "designing", "connecting", "acting")
    rows: list[tuple[Any, ...]] = []
    for place, (domain, value) in enumerate(zip(domains, values, strict=True)):
        begin = (None,) * 4 if value in (None, 5.0) else (3 * place + 1, "Is it so?", word, "journeys report")
        level = None if value is None else "a habit" if value == 5.0 else "started"
        ends = (None, None) if value is None else (int(value), min(5, int(value) + 2))
        rows.append((domain, value, *ends, None if place else 1.7, level, *begin))
    return pl.DataFrame([*rows, ("all", None, 2, 5, None, None, *(None,) * 4)], schema=schema, orient="row")


def answers(k: int = 10, min_customers: int = 30, names: tuple[str, ...] = STAGES, **changed: Any) -> Answers:
    defaults: dict[str, Any] = {
        "facts": Facts(142380, 20117, 24802, START, END),
        "goal": names[-1],
        "window": WINDOW,
        "stages": stages.publishable_stages(funnel_frame(names=names), k, min_customers),
        "segments": stages.publishable_segments(segment_frame(names=names), k, min_customers),
        "flow": flow.publishable_flow(flow_frame(), {"Order placed"}, k),
        "paths": publishable_paths(variants_frame(), MATURE, k, min_customers),
        "positions": publishable_positions(matrix_frame(), k),
        "moves": publishable_moves(transitions_frame(), k),
        "used": used_frame(names),
        "weeks": weeks_frame(names),
        "linked": linked_frame(),
        "stage_numbers": {name: min(index // 2, 4) for index, name in enumerate(TOUCHPOINTS)},
        "goals": frozenset({"Order placed"}),
        "pace": Pace(2512, timedelta(hours=16.6), timedelta(days=11.9)),
        "changes": changes_frame(),
        "voice": voice_frame(names),
        "friction": friction_frame(names),
        "times": pacing.times_to_goal(
            journeys_of(), pacing.summary(journeys_of(), WINDOW), WINDOW, k=k, min_journeys=min_customers
        ),
        "incidence": pacing.incidence(journeys_of(), "device", window=WINDOW, k=k, min_journeys=min_customers),
        "incidence_by": "Device",
        "cube": build_cube(counts_of(), STAGES, ("device", "region"), k),
        "people": people_answers(names),
        "maturity": maturity_frame(names[0]),
        "evidence": evidence_of(),
        "origin": Origin("3f9a1c77d2", {"events": "version 12", "paths": "generation 4"}),
    }
    asked = defaults | changed
    incidents = asked.setdefault("incidents", incidents_of(names))
    asked["weeks"] = marked_weeks(asked["weeks"], steps_of(incidents, asked["stages"]))
    found = problems_frame(asked["stages"], asked["segments"], incidents)
    return Answers(**({"problems": found} | asked))


def hostile_answers(names: tuple[str, ...]) -> Answers:
    """Answers in which every name that comes from data is hostile."""
    groups = {"Device": dict.fromkeys(names, (0.2, 1.0)), names[0]: dict.fromkeys(names, (0.2, 0.9))}
    known = {name for route, *_ in ROUTES for name in route if name not in ("other", "Order placed")}
    renamed = dict(zip(sorted(known), names, strict=False))
    taken = [([renamed.get(name, name) for name in route], *rest) for route, *rest in ROUTES]
    return answers(
        names=names,
        segments=stages.publishable_segments(segment_frame(groups, names), 10, 30),
        flow=flow.publishable_flow(flow_frame(taken), {"Order placed"}, 10),
        paths=publishable_paths(variants_frame(taken), MATURE, 10, 30),
        positions=publishable_positions(matrix_frame(taken), 10),
        moves=publishable_moves(transitions_frame(taken), 10),
        used=used_frame(names, names),
        friction=friction_frame(names, names[0]),
        weeks=weeks_frame(names),
        incidents=incidents_of(names, names[0]),
        stage_numbers={name: index for index, name in enumerate(names)},
    )
