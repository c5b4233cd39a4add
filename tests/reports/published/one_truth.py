"""Compares every number of a published site with what the command and the Python call say of the same lake.

Numbers that are published as they are must be equal; rounded ones must be these, rounded as `reports.privacy` says; and
nothing may be missing where no group is small.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

import analytics
from journeys.settings import Settings
from journeys.why.watch import watched
from reports.settings import ReportSettings
from reports.words.numbers import count, percent

Rows = list[dict[str, Any]]
Ask = Callable[..., Rows]
"""A verb of the command line with its words: the rows that it prints with --json."""
NO_COMMAND: Final = {
    "map": "touchpoints by stage: analytics.usage",
    "definitions": "the same as the map",
    "time-to-goal": "a histogram: analytics.goal_times",
    "by-day": "curves: analytics.goal_incidence",
    "linked": "shares of touches by way of linking: analytics.summary",
    "checks": "the log of `journeys check`, day by day",
    "act-first": "incidents are those of the watch, groups are judged by the audit",
    "goal-definitions": "settings, not numbers",
    "since": "what two reports of the site say, one beside the other",
}
"""Frames that no command prints, with the call that gives them."""
COUNTS: Final = (
    *("entered", "reached", "touched", "skipped", "open", "direct", "late", "all_stages", "customers", "waits"),
    *("backward", "median_wait_seconds", "p90_wait_seconds"),
    *(f"share_of_{of}{end}" for of in ("entered", "previous") for end in ("", "_low", "_high")),
)
UNKNOWN, OTHERS = "unknown", "All others"
ENDS: Final = {"END_converted": "reached", "END_abandoned": "abandoned", "END_open": "open"}
PARTS: Final = {
    **{"contact_rate": "contacted", "repeat_rate": "repeated", "web_then_call_rate": "after_web"},
    **{"transfer_rate": "transferred", "containment_rate": "contained"},
    **{"there_rate": "there", "useful_rate": "useful", "quick_rate": "quick"},
}
"""The counts of shares of contacts and of moments."""
EXACT: Final = 5.1e-5
"""Half of the last of four digits."""
STEPS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""What a share by day is rounded to: the finest that covers `k` journeys."""


class Site:
    """The frames of the newest run, by card, as rows."""

    def __init__(self, site: Path) -> None:
        index = json.loads((site / "site.json").read_text(encoding="utf-8"))
        self.folder = site / index["folder"]
        self.values = {value["label"]: value for value in index["values"]}
        self.headline: str = index["headline"]
        self.goal = next(re.findall("“(.*)”", label)[0] for label in self.values if label.startswith("Reach "))
        self.k, self.least = int(index["k"]), int(index["least"])
        parts = [part for page in index["pages"] for part in page["parts"]]
        self.frames: dict[str, Rows] = {part["id"]: rows_of(part["frame"]) for part in parts}
        self.texts = {part["id"]: f"{part['title']} | {part['subtitle']}" for part in parts}

    def hides(self, rows: Rows) -> bool:
        """Whether some group of these rows of a funnel is so small that numbers of them may be missing."""
        people = [row[name] for row in rows for name in ("customers", "customers_lost") if row[name] is not None]
        return any(0 < number < self.k for number in people) or rows[0]["customers"] < self.least


def rows_of(frame: dict[str, list[Any]]) -> Rows:
    """The rows of a frame that is given by its columns."""
    return [dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True)]


def check(site: Path, ask: Ask, settings: Settings) -> set[str]:
    """Assert that the site says what the command and the Python call say; returns the ids of the compared cards."""
    page, paths, report = Site(site), analytics.Paths.open(settings.lake), settings.report
    compared = {"funnel"}
    funnel = ask("funnel")
    asked: dict[str, Any] = {"window": report.window, "returns": report.returns, "timezone": report.timezone}
    _same_as_python(funnel, analytics.stage_funnel(paths, goal=settings.main_goal, **asked))
    _funnel(page, funnel)
    _values(page, funnel, paths)
    own: dict[str, Callable[[Site, Ask, analytics.Paths, ReportSettings], None]] = {
        **{"segments": _segments, "flow": _flow, "commonest": _commonest, "positions": _positions, "moves": _moves},
        **{"changes": _changes, "refused": _refused, "map": _map, "time-to-goal": _times, "by-day": _by_day},
        **{"credit": _credit, "families": _families, "pains": _pains, "friction": _friction},
        **{"trend": _trend, "linked": _linked, "explorer": _explorer, "goals": _goals},
        **{
            "standing": _standing,
            "contacts": _contacts,
            "moments": _moments,
            "themes": _themes,
            "themes-by-stage": _themes_by_stage,
            "beliefs": _beliefs,
            "outlook": _outlook,
            "sizes": _sizes,
            "personas": _personas,
        },
        **dict.fromkeys(("alerts", "incident"), lambda page, *_: _alerts(page, settings)),
    }
    for card in page.frames.keys() & own.keys():
        own[card](page, ask, paths, report)
        compared.add(card)
    if {"map", "definitions"} <= page.frames.keys():
        assert _sorted(page.frames["map"]) == _sorted(page.frames["definitions"])
    unknown = page.frames.keys() - compared - NO_COMMAND.keys() - {"empty"}
    assert not unknown, f"compared with nothing: {unknown}"
    return compared


def _same_as_python(rows: Rows, answer: Any) -> None:
    """The command and the Python call: every column of every row."""
    told = answer.to_dicts()
    assert len(rows) == len(told)
    for one, other in zip(rows, told, strict=True):
        for name, value in other.items():
            if isinstance(value, timedelta):
                assert abs(one[f"{name}_seconds"] - value.total_seconds()) < 1e-6, name
            elif f"{name}_seconds" not in one:
                assert one[name] == value, (name, one[name], value)


def _funnel(page: Site, funnel: Rows) -> None:
    published = page.frames["funnel"]
    assert [row["name"] for row in published][:-1] == [row["name"] for row in funnel][:-1]
    before = None
    for row, own in zip(published, funnel, strict=True):
        for name in COUNTS:
            assert row[name] in (None, own[name]), (row["name"], name, row[name], own[name])
            if own[name] is not None and not page.hides(funnel) and name in ("entered", "reached", "share_of_entered"):
                assert row[name] is not None, (row["name"], name)
        if before is not None:
            assert row["previous"] in (None, before), row["name"]
            assert row["dropped"] in (None, before - own["reached"]), row["name"]
        before = own["reached"]


def _values(page: Site, funnel: Rows, paths: analytics.Paths) -> None:
    """The value cards: what is said is what the command says, or is withheld."""
    first, goal = funnel[0], funnel[-1]
    hidden = f"under {page.k} or withheld"
    assert page.values["Mature journeys"]["value"] in (count(first["entered"]), hidden)
    reach = next(value for label, value in page.values.items() if label.startswith("Reach "))
    if "%" in reach["value"]:
        assert reach["value"] == percent(goal["share_of_entered"])
        assert reach["detail"].startswith(f"{count(goal['reached'])} journeys, within ")
    else:
        assert reach["value"] in (count(goal["reached"]), hidden) and page.hides(funnel)
    lowest = next((value["value"] for label, value in page.values.items() if "step" in label), "–")
    shares = [
        percent(row["share_of_previous"]) for row in page.frames["funnel"] if row["share_of_previous"] is not None
    ]
    rates = [percent(row["share_of_previous"]) for row in funnel[1:] if row["share_of_previous"] is not None]
    assert (lowest == "–" and not shares) or len(funnel) < 3 or lowest in rates
    row = analytics.summary(paths).row(0, named=True)
    assert page.values["Touches"]["value"] == count(row["touches"])
    assert page.values["Touches"]["detail"] in (f"{count(row['customers'])} customers", f"{hidden} customers")


def _columns(settings: ReportSettings) -> dict[str, str]:
    """The columns of the breakdowns by their names on the page."""
    return {settings.name_of(column): column for column in settings.segments}


def _segments(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    columns = _columns(settings)
    for dimension, rows in _by(page.frames["segments"], "dimension").items():
        column = columns[dimension]
        groups = _by(_groups(ask, column), column)
        shown = {row["segment"] for row in rows}
        rest = [value for value in groups if value != UNKNOWN and value not in shown]
        for row in rows:
            step = row["step"]
            own = rest if row["segment"] == OTHERS else [row["segment"]]
            assert own, (dimension, row["segment"])
            previous, reached = (sum(groups[value][step - back]["reached"] for value in own) for back in (2, 1))
            assert row["previous"] in (None, previous), (dimension, row)
            assert row["reached"] in (None, reached), (dimension, row)
            if row["share"] is not None:
                known = row["previous"] is not None and row["reached"] is not None
                assert abs(row["share"] - reached / previous) <= (EXACT if known else 0.0101), (dimension, row)


def _groups(ask: Ask, column: str) -> Rows:
    rows = [row for row in ask("funnel", "--by", column) if not row["is_total"]]
    return [row | {column: named(row[column])} for row in rows]


def named(value: Any) -> str:
    """The name of a group on the page."""
    return UNKNOWN if value is None else f"'{value}'" if value in (UNKNOWN, OTHERS) else str(value)


def _by(rows: Rows, name: str) -> dict[Any, Rows]:
    found: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return dict(found)


def _counted(published: Iterable[tuple[Any, int]], told: dict[Any, int], k: int, what: str) -> None:
    """Published counts are those that are told; or, where a small one is missing, all of them rounded to tens."""
    shown = dict(published)
    assert not shown.keys() - {key for key, number in told.items() if number}, what
    exact = all(told[key] == number for key, number in shown.items())
    missing = {key for key, number in told.items() if number and key not in shown}
    if exact:
        assert all(told[key] < k for key in missing), (what, missing)
    else:
        assert all(round(told[key], -1) == number for key, number in shown.items()), what
        assert any(0 < number < k for number in told.values()), what


def _flow(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    rows = ask("paths", "flow", "--depth", str(settings.flow_depth), "--top", str(settings.flow_top))
    told = {(r["position"], r["source"], r["target"]): r["mature"] for r in rows if r["target"] not in ENDS}
    shown = {(r["position"], r["source"], r["target"]): r["units"] for r in page.frames["flow"]}
    for link, units in shown.items():
        assert units in (told[link], round(told[link], -1)), link
    if any(units != told[link] for link, units in shown.items()):
        assert all(units % 10 == 0 for units in shown.values())


def _commonest(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {row["path"]: row for row in ask("paths", "variants", "--top", "1000000")}
    mature = sum(row["mature"] for row in told.values())
    for row in page.frames["commonest"]:
        own = told[re.sub(" → ", " > ", row["route"]) if isinstance(row["route"], str) else " > ".join(row["route"])]
        units = own["reached"] if row["ended"] == "reached" else own["mature"] - own["reached"]
        assert row["units"] == units and abs(row["share"] - units / mature) <= EXACT, row


def _positions(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told: dict[tuple[int, str, str], int] = {}
    rows = ask("paths", "matrix")
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        sums[row["node"]] += row["units"]
    names = sorted(sums.keys() - ENDS, key=lambda name: (-sums[name], name))[:14]
    rest: dict[int, int] = defaultdict(int)
    for row in rows:
        kind = ENDS.get(row["node"], "touchpoint")
        key = row["position"], ENDS.get(row["node"], row["node"]), kind
        if kind == "touchpoint" and row["node"] not in names:
            rest[row["position"]] += row["units"]
        told[key] = row["units"]
    for row in page.frames["positions"]:
        key = row["position"], row["touchpoint"], row["kind"]
        own = told.get(key, 0) + (rest[row["position"]] if row["touchpoint"] == "other" else 0)
        assert row["units"] in (own, round(own, -1)), row


def _credit(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    """Shares in steps of at most a fifth."""
    rows = ask("attribution", "--lookback", f"{analytics.goal_window(paths, settings.window).days}d")
    told = {(row["credited"], row["model"]): row["share"] for row in rows}
    for row in page.frames["credit"]:
        for model in ("last", "linear", "markov"):
            assert abs(row[model] - told[row["channel"], model]) <= 0.1, row


def _families(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    """Shares in steps of at most a fifth; what a route takes is as measured."""
    told = {row["family"]: row for row in analytics.goal_routes(paths, window=settings.window).to_dicts()}
    for row in page.frames["families"]:
        own = told[row["family"]]
        for name in ("share_of_goals", "goal_rate", "csat", "late_share"):
            assert row[name] is None or abs(row[name] - own[name]) <= 0.1, row
        for name in ("handoffs", "effort"):
            assert row[name] is None or abs(row[name] - own[name]) <= 0.05001, row
        assert row["median_touches"] in (None, own["median_touches"])


def _moves(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    rows = ask("paths", "transitions")
    told = {(row["source"], row["target"]): row for row in rows}
    published = page.frames["moves"]
    tens = any(0 < row["customers"] < page.k for row in rows)
    assert len(published) == sum(row["customers"] >= page.k for row in rows)
    for row in published:
        own = told[row["source"], row["target"]]
        for name in ("transitions", "customers"):
            assert row[name] == (round(own[name] / 10) * 10 if tens else own[name]), row


def _changes(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    """The differences of two periods, each asked for by itself."""
    window, length = analytics.goal_window(paths, settings.window), analytics.duration(settings.compare)
    assert paths.end_of_data is not None
    end = paths.end_of_data - window
    sides = [
        ask("funnel", "--start", f"{start:%Y-%m-%dT%H:%M:%S}", "--end", f"{start + length:%Y-%m-%dT%H:%M:%S}")
        for start in (end - 2 * length, end - length)
        if start.microsecond == 0
    ]
    if len(sides) < 2:  # the command reads whole seconds
        sides = [
            rows_of(analytics.stage_funnel(paths, window=window, start=s, end=s + length).to_dict(as_series=False))
            for s in (end - 2 * length, end - length)
        ]
    for row, earlier, later in zip(page.frames["changes"], *sides, strict=True):
        assert (row["earlier_entered"], row["later_entered"]) == (earlier["entered"], later["entered"])
        for of in ("entered", "previous"):
            told = row[f"{of}_difference"]
            if told is not None:
                assert abs(told - (later[f"share_of_{of}"] - earlier[f"share_of_{of}"])) <= EXACT, (row, of)


def _refused(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told: dict[str, int] = defaultdict(int)
    for row in ask("quarantine", "list"):
        told[row["reason"]] += row["messages"]
    shown = {row["reason"]: row["messages"] for row in page.frames["refused"]}
    assert shown == {reason: None if 0 < number < page.k else number for reason, number in told.items()}


def _map(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    assert paths.end_of_data is not None
    young = paths.end_of_data - analytics.goal_window(paths, settings.window) + timedelta.resolution
    mature = paths.begun_between(end=young).of_journeys()
    counted = ~pl.col("direct").fill_null(False) if "direct" in paths.schema else None
    rows = analytics.usage(mature, by="stage", where=counted).to_dicts()
    told = {(row["stage"], row["touchpoint"]): row for row in rows if not row["is_total"]}
    for row in page.frames["map"]:
        own = told[row["stage"], row["touchpoint"]]
        assert row["customers"] == own["customers"], row
        assert abs(row["share"] - own["customers"] / own["customers_of_group"]) <= 5.1e-4, row


def _times(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    from reports.questions.time.pacing import EDGES

    bins = analytics.goal_times(paths, [timedelta(seconds=edge) for edge in EDGES], window=settings.window)
    sums = {0}
    for number in bins.sort("bin")["reached"]:
        sums.add(max(sums) + number)
    so_far = 0
    for row in page.frames["time-to-goal"]:
        so_far += row["journeys"]
        assert so_far in sums, row
    assert so_far == ask("funnel")[-1]["reached"]


def _by_day(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    from reports.questions.time.pacing import POINTS

    rows, window = page.frames["by-day"], analytics.goal_window(paths, settings.window)
    asked = {
        round(moment / timedelta(days=1), 3): moment
        for moment in (window * (i / POINTS) ** 2 for i in range(POINTS + 1))
    }
    column = "device" if "device" in settings.segments else next(iter(settings.segments), None)
    for group, own in _by(rows, "group").items():
        moments = [asked[row["days"]] for row in own]
        told = analytics.goal_incidence(paths, moments, by=column or ()).to_dicts()
        key = "is_total" if column is None else column
        same = [
            row for row in told if (row["is_total"] if column is None else not row["is_total"] and row[key] == group)
        ]
        for row, other in zip(own, same, strict=True):
            assert abs(row["journeys"] - other["units"]) <= 5
            step = next(step for step in STEPS if step * other["units"] >= page.k)
            assert abs(row["share"] - other["share_of_units"]) <= step / 2 + EXACT, (row, other)


def _trend(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = ask("funnel", "--period", "week", "--window", settings.trend_window)
    counts = {(row["period"][:10], row["step"]): row["reached"] + row["open"] for row in told if row["is_total"]}
    for row in page.frames["trend"]:
        previous, reached = (counts.get((str(row["week"])[:10], row["step"] - back), 0) for back in (1, 0))
        assert row["previous"] in (None, previous, round(previous, -1)), row
        exact = row["previous"] == previous
        assert row["share"] is None or abs(row["share"] - reached / previous) <= (EXACT if exact else 0.0101), row


def _pains(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {(row["stage"], row["kind"], row["touchpoint"]): row for row in ask("pains") if row["is_total"]}
    for row in page.frames["pains"]:
        same = told[row["stage"], row["kind"], row["touchpoint"]]
        assert (row["with_it"], row["reached"]) == (same["with_it"], same["reached"])
        for name in ("goal_rate", "goal_rate_low", "goal_rate_high", "goal_rate_alike"):
            assert abs(row[name] - same[name]) < 1e-4, name
        for name in ("at_stake", "at_stake_low", "at_stake_high"):
            assert abs(row[name] - same[name]) <= 0.5, name


def _friction(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {(row["stage"], row["kind"], row["touchpoint"]): row for row in ask("pains") if row["is_total"]}
    for row in page.frames["friction"]:
        _is_told(row, told[row["stage"], row["kind"], row["touchpoint"]], ("journeys", "with_it", "share"))


def _standing(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {row["stage"]: row for row in ask("standing") if row["is_total"]}
    assert [row["stage"] for row in page.frames["standing"]] == list(told)
    for row in page.frames["standing"]:
        _is_told(row, told[row["stage"]], ("journeys", "fresh", "waiting", "late", "share_of_journeys", "share_late"))
        _is_told(row, told[row["stage"]], ("median_wait_seconds", "usual_wait_seconds", "late_after_seconds"))


def _contacts(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    stages = {row["stage"] or "": row for row in ask("contacts", "--rate", "--by", "stage") if not row["is_total"]}
    whole = {None: ask("contacts", "--rate")[0]}
    (made,) = ask("contacts")
    for row in page.frames["contacts"]:
        is_rate = row["measure"] == "contact_rate"
        own = (whole | stages)[row["group"]] if is_rate else made
        _is_told(row, {"share": own[row["measure"]], "part": own[PARTS[row["measure"]]]}, ("share", "part"))


def _moments(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {row["intent"]: row for row in ask("moments") if row["is_total"] and row["kind"] == "moment"}
    for row in page.frames["moments"]:
        own = told[row["group"]]
        _is_told(row, {"share": own[row["measure"]], "part": own[PARTS[row["measure"]]]}, ("share", "part"))


def _themes(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {row["theme"] or "": row for row in ask("voice", "themes")}
    for row in page.frames["themes"]:
        own = told[row["group"]]
        share, part = ("share_of_texts", "responses") if row["measure"] == "theme_share" else ("low_rate", "low")
        _is_told(row, {"share": own[share], "part": own[part]}, ("share", "part"))


def _themes_by_stage(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    rows = ask("voice", "themes", "--by", "stage")
    told = {(row["theme"], row["stage"] or ""): row for row in rows if not row["is_total"]}
    for row in page.frames["themes-by-stage"]:
        own = told[row["theme"], row["stage"]]
        share = {"share": own["share_of_texts"], "part": own["responses"], "whole": own["texts"]}
        _is_told(row, share, ("share", "part", "whole"))


def _beliefs(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {(row["stage"], row["question"]): row for row in ask("voice", "answers") if row["is_wished"]}
    for row in page.frames["beliefs"]:
        own = told[row["stage"], row["question"]]
        _is_told(
            row, {"share": own["share"], "part": own["customers"], "whole": own["answered"]}, ("share", "part", "whole")
        )


def _outlook(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    rows = ask("predict")
    told = {row["band"]: row for row in rows if row["horizon_seconds"] == rows[-1]["horizon_seconds"]}
    for row in page.frames["outlook"]:
        own = told[row["band"]]
        own |= {"customers": round(own["customers"], -1), "expected_goals": round(own["expected_goals"])}
        _is_told(row, own, ("customers", "expected_goals", "tested", "tested_goals", "expected", "seen"))


def _sizes(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {row["segment"]: row for row in ask("segments")}
    for row in page.frames["sizes"]:
        _is_told(row, told[row["segment"]], ("members", "known", "joined", "left", "share_of_known"))


def _personas(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {(row["persona"], row["reason"]): row for row in ask("personas") if not row["is_total"]}
    for row in page.frames["personas"]:
        own = told[row["persona"], row["reason"]]
        _is_told(row, own, ("customers", "mature", "reached", "share", "goal_rate", "share_of_goals", "share_of_value"))


def _is_told(row: dict[str, Any], own: dict[str, Any], names: Iterable[str]) -> None:
    """What is published is what is told, rounded to four digits, or it is withheld."""
    for name in names:
        value = own[name]
        is_near = isinstance(value, float) and row[name] is not None and abs(row[name] - value) <= EXACT
        assert row[name] is None or row[name] == value or is_near, (name, row, value)


def _alerts(page: Site, settings: Settings) -> None:
    found, rows = watched(settings, "10000d")
    told = {row["alert"]: row for row in rows}
    assert page.frames["alerts"]
    by_day = {(row["alert"], f"{row['period'].astimezone(settings.report.zone):%Y-%m-%d}"): row
              for row in found.days.iter_rows(named=True)}  # fmt: skip
    for row in page.frames.get("incident", []):
        own = by_day[row["alert"], row["day"]]
        assert abs(row["of"] - own["of"]) <= max(10, page.k), (row, own)
        near = own["of"] and abs((row["share"] or 0) - own["seen"] / own["of"]) <= page.k / own["of"]
        assert row["share"] is None or near, (row, own)
        for end in ("low", "high"):
            exact = own[f"expected_{end}"]
            assert row[end] == exact or abs(row[end] - exact) < 0.001, (end, row, own)
    for row in page.frames["alerts"]:
        own = told[row["alert"]]
        for name in ("status", "measure", "seen"):
            assert row[name] == own[name], (name, row, own)
        days = [f"{own[name].astimezone(settings.report.zone):%Y-%m-%d}" for name in ("since", "until")]
        assert [row["first"], row["last"]] == days, (row, own)
        for end in ("", "_low", "_high"):
            assert row[end[1:] or "goals"] == own[f"goals_at_stake{end}"], (end, row, own)


def _linked(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    row = analytics.summary(paths).row(0, named=True)
    for way in page.frames["linked"]:
        assert abs(way["share"] - row[f"linked_{way['way']}"]) <= EXACT, way


def _explorer(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    """The cells of the cube add up to the funnel; those of one group to the group, where that is published."""
    cells = page.frames["explorer"]
    for row, own in zip(page.frames["funnel"], ask("funnel"), strict=True):
        if row["reached"] is not None:
            assert sum(cell[f"n{row['step']}"] for cell in cells) == own["reached"], row["name"]


def _goals(page: Site, ask: Ask, paths: analytics.Paths, settings: ReportSettings) -> None:
    told = {row["goal"]: row for row in ask("goals") if row["is_total"]}
    for row in page.frames["goals"]:
        own = told[row["goal"]]
        for name in ("mature", "open", "direct", "late", "reached"):
            assert row[name] in (None, own[name]), row
        for name in ("goal_rate", "goal_rate_low", "goal_rate_high"):
            assert row[name] is None or abs(row[name] - own[name]) <= EXACT, row
        assert row["value"] is None or abs(row["value"] - own["value"]) <= 0.0051, row


def _sorted(rows: Rows) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
