"""Every registered measure keeps the contract: counted anywhere, in any order, from any cut of the customers."""

from __future__ import annotations

import inspect
import io
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import analytics
from analytics import Experiment, Funnel, Goal, Intent, Metric, Paths, Route, Step
from analytics.engine.analysis import IS_TOTAL, MEASURES, Analysis
from analytics.store.encoding import Dictionaries
from analytics.store.parts import Part
from tests.written import frame_in_parts

FUNNEL = Funnel(["look", "cart", "buy"], window="3d", by="device", value="price")
STAGES = ["Awareness", "Desire", "Action"]
WEEK = datetime(2024, 1, 1, tzinfo=UTC)
STEPS = Funnel(["look", "cart", "buy"], window="3d")
FIRST, SECOND = ((WEEK + timedelta(days=start), WEEK + timedelta(days=start + 5)) for start in (5, 10))
TEST = Experiment(
    "channels",
    "look",
    variant="channel",
    control="web",
    metrics=["buy", Metric(Goal(name="carts", steps=["cart"]), of="goals")],
    window="3d",
)
BRANCHES = analytics.Design(
    ["look", analytics.DesignStep("cart", optional=True), analytics.DesignStep("call", after="look"), "buy"]
)
INTENTS = [
    Intent(name="buy", touchpoints=["cart"], useful=["buy"], within="9d"),
    Intent(name="know", touchpoints=["look"], unless=["error"]),
]
PERSONAS = analytics.PersonaRules(
    [
        analytics.PersonaRule("Store people", analytics.TouchShare("channel", "store", at_least=0.4)),
        analytics.PersonaRule("Seekers", analytics.Segment("Seekers", analytics.Did("look", at_least=2))),
    ],
    analytics.Observation.of("buy"),
)
BOOK = [analytics.Theme(name="Web", any=["web"]), analytics.Theme(name="Any", any=["*e*"], none=["web"])]
ASKED = [analytics.CodedQuestion(code="fair", text="Fair", answers={"web": "On the web", "store": "In the store"})]
MODELS = ["first", "last", "linear", "position", "time_decay", "participation", "shapley", "markov"]
CASES: dict[str, list[Callable[..., pl.DataFrame]]] = {
    "funnel": [
        lambda paths, **o: analytics.funnel(paths, FUNNEL, **o),
        lambda paths, **o: analytics.funnel(paths, Funnel(["look", "buy"], count="journeys", by="device"), **o),
    ],
    "trend": [lambda paths: analytics.trend(paths, FUNNEL, period="week")],
    "funnel_by_range": [
        lambda paths: analytics.funnel_by_range(paths, FUNNEL, [(WEEK, WEEK + timedelta(days=n)) for n in (9,)])
    ],
    "time_to_convert": [lambda paths, **o: analytics.time_to_convert(paths, FUNNEL, **o)],
    "survival": [lambda paths: analytics.survival(paths, FUNNEL)],
    "change": [
        lambda paths: analytics.change(paths, STEPS, before=FIRST, after=SECOND, by=["device", ("device", "channel")]),
        lambda paths: analytics.change(paths, FUNNEL, before=FIRST, after=SECOND, of="value"),
    ],
    "drivers": [
        lambda paths: analytics.drivers(paths, STEPS),
        lambda paths: analytics.drivers(paths, STEPS, factors=["device", "met:error"], adjust=["channel", "device"]),
    ],
    "attribution": [
        lambda paths: analytics.attribution(paths, analytics.Attribution("buy", models=MODELS, value="price")),
        lambda paths: analytics.attribution(paths, analytics.Attribution("buy", on="device", order=3), by="channel"),
    ],
    "touch_effects": [
        lambda paths: analytics.touch_effects(paths, "buy", by="device", adjust=["stage", "channel"]),
        lambda paths: analytics.touch_effects(paths, analytics.Attribution("buy", on="device", ignore="d0")),
    ],
    "experiment": [
        lambda paths: analytics.experiment(paths, TEST, by="device"),
        lambda paths: analytics.experiment(paths, TEST, horizon="fixed"),
    ],
    "experiment_health": [lambda paths: analytics.experiment_health(paths, TEST, by="device")],
    "experiment_size": [
        lambda paths: analytics.experiment_size(paths, TEST, span="400d"),
        lambda paths: analytics.experiment_size(paths, TEST, lifts=[0.1], horizon="fixed", span="300d"),
    ],
    "transitions": [lambda paths, **o: analytics.transitions(paths, by="device", **o)],
    "next_touch": [
        lambda paths: analytics.next_touch(paths, ["look", "cart"], by="device"),
        lambda paths: analytics.next_touch(paths, unit="customer"),
    ],
    "next_touch_quality": [lambda paths: analytics.next_touch_quality(paths, WEEK + timedelta(days=7), order=3)],
    "step_matrix": [lambda paths: analytics.step_matrix(paths, 6, by="device")],
    "flow": [lambda paths, **o: analytics.flow(paths, by="device", depth=4, top=2, **o)],
    "flow_routes": [lambda paths: analytics.flow_routes(paths, by="device", depth=4, top=2)],
    "flow_cells": [lambda paths: analytics.flow_cells(paths, by="device", depth=4, top=2)],
    "variants": [lambda paths, **o: analytics.variants(paths, by="device", top=5, **o)],
    "match": [lambda paths, **o: analytics.match(paths, "look .* buy", by="device", **o)],
    "conformance": [lambda paths: analytics.conformance(paths, ["look", "cart", "buy"], by="device")],
    "deviations": [lambda paths: analytics.deviations(paths, ["look", "cart", "buy"], by="device")],
    "designed_steps": [lambda paths: analytics.designed_steps(paths, BRANCHES, by="device")],
    "channels": [lambda paths, **o: analytics.channels(paths, by="device", **o)],
    "handoffs": [lambda paths, **o: analytics.handoffs(paths, by="device", at="stage", **o)],
    "effort": [lambda paths, **o: analytics.effort(paths, by="device", load_seconds="seconds", **o)],
    "time_to_goal": [lambda paths, **o: analytics.time_to_goal(paths, by="device", **o)],
    "goal_times": [lambda paths: analytics.goal_times(paths, ["0s", "6h", "1d", "2d"], by="device")],
    "goal_incidence": [lambda paths: analytics.goal_incidence(paths, ["6h", "1d", "2d"], by="device")],
    "goal_attainment": [
        lambda paths, **o: analytics.goal_attainment(
            paths,
            [Goal(name="b", steps=["buy"], value="price"), Goal(name="s", steps=["stage:Desire"])],
            by="device",
            **o,
        ),
    ],
    "goal_rate": [
        lambda paths: analytics.goal_rate(paths, by="device"),
        lambda paths: analytics.goal_rate(paths, "buy", unit="customer", by="device"),
    ],
    "goal_change": [
        lambda paths: analytics.goal_change(
            paths, "buy", stages=STAGES, before=FIRST, after=SECOND, by=["device", ("device", "channel")], window="3d"
        ),
        lambda paths: analytics.goal_change(paths, stages=STAGES, goal="buy", before=FIRST, after=SECOND, window="3d"),
    ],
    "goal_routes": [
        lambda paths, **o: analytics.goal_routes(paths, Goal(name="b", steps=["buy"], value="price"), by="device", **o),
        lambda paths: analytics.goal_routes(paths, "buy", [Route(name="s", through=["store"])], unit="customer"),
    ],
    "stage_funnel": [
        lambda paths, **o: analytics.stage_funnel(paths, STAGES, "buy", by="device", value="price", **o),
        lambda paths, **o: analytics.stage_funnel(paths, STAGES, "buy", by="device", period="week", **o),
    ],
    "pains": [
        lambda paths: analytics.pains(paths, ["error", "store"], stages=STAGES, goal="buy", load_seconds="seconds"),
        lambda paths: analytics.pains(paths, stages=STAGES, goal="buy", by="device", alike=["channel"], window="3d"),
    ],
    "moments_of_truth": [
        lambda paths: analytics.moments_of_truth(paths, "error", stages=STAGES, goal="buy", load_seconds="seconds"),
        lambda paths: analytics.moments_of_truth(paths, stages=STAGES, goal="buy", by="device", window="3d"),
    ],
    "stage_groups": [lambda paths: analytics.stage_groups(paths, "device", STAGES, "buy")],
    "personas": [lambda paths: analytics.personas(paths, PERSONAS, Goal(name="b", steps=["buy"], value="price"))],
    "persona_traits": [lambda paths: analytics.persona_traits(paths, found_personas())],
    "persona_profile": [lambda paths: analytics.persona_profile(paths, PERSONAS, ["device", "channel"])],
    "usage": [lambda paths: analytics.usage(paths, by=["stage", "device"])],
    "voice": [lambda paths: analytics.voice(paths, by=["stage", "device"])],
    "themes": [
        lambda paths: analytics.themes(
            paths, BOOK, analytics.experience.texts.landed_texts.texts_of(paths, "channel"), by=["stage", "device"]
        )
    ],
    "coded_answers": [lambda paths: analytics.coded_answers(paths, ASKED, by=["stage", "device"], lookback="30d")],
    "response_rate": [
        lambda paths: analytics.response_rate(paths, Step("*", pl.col("survey") == "nps"), Step("answer"), by="device")
    ],
    "moments": [
        lambda paths: analytics.moments(
            paths, INTENTS, by="device", handheld=["d0", "d1"], load_seconds="seconds", entries="look", goal="buy"
        )
    ],
    "contacts": [
        lambda paths: analytics.contacts(paths, ["cart", "error"], by="device", reason="stage", chats="error"),
        lambda paths: analytics.contacts(paths, Step("*", pl.col("seconds") > 5), web=Step("web", on="channel")),
    ],
    "contact_rate": [lambda paths: analytics.contact_rate(paths, "error", by="device", window="3d")],
    "standing": [lambda paths: analytics.standing(paths, by="device", stages=STAGES, goal="buy")],
    "watch_counts": [
        lambda paths: analytics.watch_counts(
            paths, [analytics.Pair("look", "buy", timedelta(days=1))], groups=["device"], period="week"
        )
    ],
    "lifecycle": [lambda paths: analytics.lifecycle(paths, period="day", by="device")],
    "stickiness": [lambda paths: analytics.stickiness(paths, by="device")],
    "lapse": [lambda paths: analytics.lapse(paths, gap="3d", by="device")],
    "comeback": [lambda paths: analytics.comeback(paths, gap="2d", by="device")],
    "retention": [
        lambda paths: analytics.retention(paths, period="day", periods=5, cohort="every"),
        lambda paths: analytics.retention(
            paths, periods=3, by="device", rules=analytics.ReturnRules(clock="elapsed", balanced=True, value="price")
        ),
    ],
}
ALL = [(name, number) for name, calls in CASES.items() for number in range(len(calls))]


def shop(customers: int, touches_per_part: int, devices: int = 3, seed: int = 5) -> Paths:
    """Customers with one to nine touches each, in several journeys, channels and sessions, some with answers."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(1, 10, customers)
    person = np.repeat(np.arange(customers), counts)
    size = len(person)
    journey = draw.integers(1, 3, size)
    name = draw.choice(["look", "cart", "buy", "error", "answer"], size, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    answered = name == "answer"
    frame = pl.DataFrame(
        {
            "customer": np.char.add("c", person.astype(str)),
            "at": pl.Series(journey * 5 * 86_400 + draw.integers(0, 4 * 86_400, size)).cast(pl.Duration("ms")) * 1000
            + WEEK,
            "touchpoint": name,
            "stage": pl.Series(name).replace_strict(
                {"look": "Awareness", "cart": "Desire", "buy": "Action"}, default=None, return_dtype=pl.String
            ),
            "channel": draw.choice(["web", "store", "phone"], size),
            "device": np.char.add("d", draw.integers(0, devices, size).astype(str)),
            "price": draw.integers(0, 10_000, size) / 100,
            "seconds": draw.uniform(0, 6, size),
            "survey": pl.Series(np.where(answered, "nps", "")).replace("", None),
            "score": pl.select(
                pl.when(pl.Series(answered)).then(pl.Series(draw.integers(0, 11, size) * 1.0))
            ).to_series(),
            "journey": pl.Series(journey, dtype=pl.UInt32),
            "session": pl.Series(journey, dtype=pl.UInt32),
            "outcome": np.where(person % 3 == 0, "converted", np.where(person % 3 == 1, "abandoned", "open")),
        }
    )
    answers = {"question": pl.when(pl.col("touchpoint") == "answer").then(pl.lit("fair")), "answer": pl.col("channel")}
    return frame_in_parts(
        frame.with_columns(**answers).sort("at", maintain_order=True), touches_per_part, WEEK + timedelta(days=60)
    )


@cache
def found_personas() -> analytics.PersonaFit:
    """Two personas by channel."""
    return analytics.fit_personas(shop(300, 10**9), features=["channel", "rhythm"], k=2)


class Captured(Exception):
    """The analysis that a public function runs."""

    def __init__(self, analysis: Analysis) -> None:
        super().__init__()
        self.analysis = analysis


def analysis_of(name: str, call: Callable[..., pl.DataFrame], paths: Paths, patch: pytest.MonkeyPatch) -> Any:
    """The analysis that a public function would run last."""

    def capture(_: Paths, analysis: Analysis, **__: Any) -> pl.DataFrame:
        raise Captured(analysis)

    with patch.context() as only:
        only.setattr(sys.modules[MEASURES[name].function.__module__], "run", capture)
        with pytest.raises(Captured) as captured:
            call(paths)
    return captured.value.analysis


def count(pickled: bytes, part: Part, words: Dictionaries) -> bytes:
    """The partial of one part, in another process, as it is sent."""
    return sent(pickle.loads(pickled).partial(part, words))


def sent(partial: pl.DataFrame) -> bytes:
    """A partial as it is sent."""
    buffer = io.BytesIO()
    partial.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield pool


def test_every_registered_measure_is_tried_here() -> None:
    assert CASES.keys() == MEASURES.keys()


@pytest.mark.parametrize(("name", "number"), ALL)
def test_parts_counted_in_other_processes_in_any_order_and_cut_give_the_local_answer(
    name: str, number: int, processes: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, whole, cut = CASES[name][number], shop(900, 10**9), shop(900, 700)
    assert len(whole.parts) == 1 < len(cut.parts)
    analysis = analysis_of(name, call, cut, monkeypatch)
    parts = random.Random(name).sample(cut.parts, len(cut.parts))
    partials = processes.map(count, [pickle.dumps(analysis)] * len(parts), parts, [cut.dictionaries] * len(parts))
    frames = [pl.read_ipc(io.BytesIO(partial)) for partial in partials]
    twice = [analysis.merge(frames[:2]), *frames[2:]]
    local = call(whole)
    assert len(local)
    assert_frame_equal(analysis.finish(analysis.merge(frames)), local, check_exact=True)
    assert_frame_equal(analysis.finish(analysis.merge(twice)), local, check_exact=True)
    assert_frame_equal(call(cut), local, check_exact=True)


@pytest.mark.parametrize(("name", "number"), ALL)
def test_answers_have_the_columns_of_the_schema_and_totals_first(name: str, number: int) -> None:
    table, schema = CASES[name][number](shop(60, 50)), dict(MEASURES[name].analysis.SCHEMA)
    optional = {"value"}
    assert [column for column in table.columns if column in schema] == list(schema)
    for column, dtype in schema.items():
        if column != "period":
            assert table.schema[column] == dtype, column
    assert table.columns[table.columns.index(IS_TOTAL) :] == [*schema] or optional & set(table.columns)
    totals = table[IS_TOTAL].to_list()
    assert totals == sorted(totals, reverse=True)
    assert totals[0]


@pytest.mark.parametrize(("name", "number"), ALL)
def test_an_exact_answer_does_not_round_waits(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if "exact" not in inspect.signature(MEASURES[name].function).parameters:
        pytest.skip("no waits")
    paths = shop(6000, 9000)
    exact = CASES[name][number](paths, exact=True)
    monkeypatch.setattr("analytics.engine.distributions.EXACT_UP_TO", 10**9)
    assert_frame_equal(exact, CASES[name][number](paths), check_exact=True)


@pytest.mark.parametrize(("name", "number"), ALL)
@pytest.mark.parametrize("devices", [1, 100])
def test_a_partial_stays_under_its_bound(name: str, number: int, devices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = shop(8_000, 10**9, devices)
    analysis = analysis_of(name, CASES[name][number], paths, monkeypatch)
    size = len(sent(analysis.partial(paths.parts[0], paths.dictionaries)))
    assert size <= analysis.BOUND * devices
