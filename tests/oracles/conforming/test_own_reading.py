"""Funnels of cases against a second reading of their form: every chain is tried, customer by customer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import KINDS

Case = dict[str, Any]
Chain = dict[int, int]
"""The place of the touch of every step that is in it."""
Kept = Callable[[Mapping[str, Any]], bool]


def always(_: Mapping[str, Any]) -> bool:
    return True


class Reading:
    """The chains of one customer; `kept` touches are seen, `at_step` are those that one step may take."""

    def __init__(self, params: Case, events: list[Case], kept: Kept = always, at_step: tuple[int, Kept] | None = None):
        self.events = [event for event in events if kept(event)]
        self.at = [event["ts"] for event in self.events]
        self.params, self.window, self.order = params, params["window_seconds"], params["order"]
        self.optional = [step.get("optional", False) for step in params["steps"]]
        self.fits = [{n for n, e in enumerate(self.events) if meets(step, e)} for step in params["steps"]]
        if at_step is not None:
            step, wanted = at_step
            self.fits[step] = {n for n in self.fits[step] if wanted(self.events[n])}

    def chains(self) -> Iterator[Chain]:
        every = range(len(self.fits))
        for steps in itertools.chain.from_iterable(itertools.combinations(every, k + 1) for k in every):
            left_out = set(range(steps[-1])) - set(steps)
            if self.order != "unordered" and not all(self.optional[k] for k in left_out):
                continue
            for chosen in itertools.product(*(sorted(self.fits[k]) for k in steps)):
                if len({*chosen}) == len(chosen) and self.allowed([self.at[n] for n in chosen], chosen):
                    yield dict(zip(steps, chosen, strict=True))

    def allowed(self, at: list[int], chosen: Sequence[int]) -> bool:
        first, last = min(at), max(at)
        between = any(first < time < last for n, time in enumerate(self.at) if n not in chosen)
        in_order = self.order == "unordered" or at == sorted(at)
        return in_order and last - first <= self.window and not (self.order == "strict" and between)

    def depth(self, chain: Chain | None) -> int:
        return sum(not self.optional[step] for step in chain or {})

    def better(self, chain: Chain) -> tuple[Any, ...]:
        """Deepest, then first complete, then newest entry, then most steps, then at the earliest times."""
        at = sorted(self.at[n] for n in chain.values())
        done = max(self.at[n] for step, n in chain.items() if not self.optional[step])
        return -self.depth(chain), done, -at[0], -len(chain), at

    def broken(self, chain: Chain, *, drops: bool) -> bool:
        """Whether an excluded touch lies between two steps; where that drops the customer, an open chain is open to one
        as long as it could go on.
        """
        first = min(self.at[n] for n in chain.values())
        for exclusion in self.params.get("exclusions", []):
            if self.order == "unordered":
                low, high, is_over = first, max(self.at[n] for n in chain.values()), True
            else:
                after = [self.at[n] for step, n in chain.items() if step >= exclusion["from_step"]]
                closing = [self.at[n] for step, n in chain.items() if step >= exclusion["to_step"]]
                if not after:
                    continue
                low, high, is_over = min(after), min(closing or [max(after)]), bool(closing)
            for n, event in enumerate(self.events):
                if not meets(exclusion, event) or self.at[n] <= low:
                    continue
                could = drops and not is_over and self.at[n] - first <= self.window
                if could and self.order == "strict":
                    could = not any(
                        first < time < self.at[n] for k, time in enumerate(self.at) if k not in chain.values()
                    )
                if self.at[n] < high or could:
                    return True
        return False

    def best(self) -> Chain | None:
        every, effect = list(self.chains()), self.params.get("exclusion_effect", "end_attempt")
        if effect == "void_attempt":
            return self.best_of_attempts(every)
        clean = [chain for chain in every if not self.broken(chain, drops=effect == "drop_customer")]
        found = min(clean, key=self.better, default=None)
        dropped = effect == "drop_customer" and any(self.depth(chain) > self.depth(found) for chain in every)
        return None if dropped else found

    def best_of_attempts(self, every: list[Chain]) -> Chain | None:
        """What each entry leads to, without those that are broken."""
        entries = {min(self.at[n] for n in chain.values()) for chain in every}
        led = [[c for c in every if min(self.at[n] for n in c.values()) == entry] for entry in entries]
        attempts = [min(chains, key=self.better) for chains in led]
        return min((c for c in attempts if not self.broken(c, drops=False)), key=self.better, default=None)

    def times(self) -> list[int | None]:
        """When each step was reached."""
        chain, steps = self.best() or {}, range(len(self.fits))
        if self.order == "unordered":
            at = sorted(self.at[n] for n in chain.values())
            return [at[k] if k < len(at) else None for k in steps]
        return [self.at[chain[k]] if k in chain else None for k in steps]


def meets(step: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    return "*" in step["any_of"] or event["event"] in step["any_of"]


def read_groups(params: Case, events: list[Case]) -> dict[str, list[list[str]]]:
    """The customers at each step, by the value of the breakdown."""
    asked, found = params["breakdown"], {}
    for customer in sorted({event["customer"] for event in events}):
        own = [event for event in events if event["customer"] == customer]
        for value, times in of_values(asked, params, own):
            steps = found.setdefault(value, [[] for _ in times])
            for step, time in zip(steps, times, strict=True):
                step.extend([customer] if time is not None else [])
    return {value: steps for value, steps in found.items() if any(steps)}


def of_values(asked: Case, params: Case, own: list[Case]) -> Iterator[tuple[str, list[int | None]]]:
    """The values that a customer counts for, with the times of the steps."""
    if asked["attribution"] == "all_events":
        for value in {value_of(event) for event in own}:
            yield value, Reading(params, own, kept=lambda event, v=value: value_of(event) == v).times()
        return
    whole = Reading(params, own)
    if asked["attribution"] == "step":
        for value in {value_of(own[n]) for n in whole.fits[asked["step"]]}:
            same = (asked["step"], lambda event, v=value: value_of(event) == v)
            yield value, Reading(params, own, at_step=same).times()
        return
    times = whole.times()
    end = max((time for time in times if time is not None), default=-1)
    named = [own[n] for n in sorted(set().union(*whole.fits)) if value_of(own[n])]
    if asked["attribution"] == "last_touch":
        named = [event for event in named if event["ts"] <= end][::-1]
    yield value_of(named[0]) if named else "", times


def value_of(event: Case) -> str:
    return str(event["props"].get("browser", ""))


NAMES = st.lists(st.sampled_from("abc*"), min_size=1, max_size=2, unique=True)
CUSTOMERS, EVENTS, BROWSERS = st.sampled_from(["ann", "bo"]), st.sampled_from("abcxx"), st.sampled_from(["", "u", "v"])
TOUCHES = st.lists(
    st.tuples(CUSTOMERS, EVENTS, st.integers(0, 9), BROWSERS),
    max_size=12,
    unique_by=lambda touch: (touch[0], touch[2]),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(NAMES, min_size=2, max_size=3),
    st.sampled_from(["ordered", "strict", "unordered"]),
    st.integers(0, 9),
    st.data(),
)
@pytest.mark.parametrize("asked", ["", "first_touch", "last_touch", "all_events", "step"])
def test_a_second_reading_finds_the_same_customers(
    asked: str, names: list[list[str]], order: str, window: int, data: st.DataObject
) -> None:
    last = len(names) - 1
    steps: list[Case] = [{"any_of": each} for each in names]
    steps[last]["optional"] = order != "unordered" and data.draw(st.booleans())
    params: Case = {"kind": "funnel", "order": order, "window_seconds": window, "steps": steps}
    if data.draw(st.booleans()):
        starts = 0 if order == "unordered" else data.draw(st.integers(0, last - 1))
        ends = last if order == "unordered" else data.draw(st.integers(starts + 1, last))
        params["exclusions"] = [{"any_of": ["x"], "from_step": starts, "to_step": ends}]
        effects = ["end_attempt", "drop_customer", *(["void_attempt"] if order == "unordered" else [])]
        params["exclusion_effect"] = data.draw(st.sampled_from(effects))
    params["breakdown"] = {"props": ["browser"], "attribution": asked or "all_events", "step": last}
    rows = sorted(data.draw(TOUCHES), key=lambda touch: touch[2])
    events = [
        {"customer": who, "event": name, "ts": at, "props": {"browser": browser if asked else ""}}
        for who, name, at, browser in rows
    ]
    found = KINDS["funnel"]({"params": params, "events": events, "expected": {"groups": {}}})["groups"]
    assert {value: group["customers"] for value, group in found.items()} == read_groups(params, events)
