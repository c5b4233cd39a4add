"""Publishes every frame of a report in steps from the reports that are kept (`reports.privacy.steps`).

In and out: frames that have passed the other privacy rules. Where no count of a frame has moved, it stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import polars as pl

from reports.privacy.flow import Flow
from reports.privacy.stages import SHOWN
from reports.privacy.steps import Steps, around, coarse, coarse_amount, rate

_BESIDE: Final = (
    *("entered", "touched", "open", "direct", "late", "all_stages", "customers", "waits", "backward"),
    *("returns", "returns_left_out", "value_left_out"),
)
_AMOUNTS: Final = ("value", "net_value")
_ENDS: Final = ("_low", "_high")


def stages_in_steps(frame: pl.DataFrame, steps: Steps) -> pl.DataFrame:
    """The stage funnel: all counts in steps, no stage above the one before, shares of the published counts."""
    rows: list[dict[str, Any]] = []
    before: tuple[int | None, int | None] = (None, None)
    for row in frame.to_dicts():
        exact = row["reached"]
        row["reached"] = steps.part("stages", (row["name"], "reached"), exact, *before)
        before = (exact, row["reached"])
        for name in _BESIDE:
            if row.get(name) is not None:
                row[name] = steps.count("stages", (row["name"], name), row[name])
        rows.append(row)
    if not steps.moved("stages"):
        return frame
    for previous, row in zip([None, *rows], rows, strict=False):
        _derive(row, previous, steps.k)
    return pl.DataFrame(rows, frame.schema, orient="row")


def _derive(row: dict[str, Any], previous: dict[str, Any] | None, k: int) -> None:
    """Sets what follows from the published counts of a stage and of the one before."""
    if row["previous"] is not None:
        row["previous"] = None if previous is None else previous["reached"]
    if row["dropped"] is not None and previous is not None:
        known = row["reached"] is not None and row["previous"] is not None
        row["dropped"] = row["previous"] - row["reached"] if known else None
    if row.get("skipped") is not None:
        row["skipped"] = _rest(row["reached"], row["touched"], k)
    for of in ("entered", "previous"):
        reshare(row, f"share_of_{of}", rate(row["reached"], row[of]))
    for name in _AMOUNTS:
        if row.get(name) is not None:
            row[name] = coarse_amount(row[name], row["customers"], k)


def _rest(whole: int | None, part: int | None, k: int) -> int | None:
    """The rest of a whole; null where it would be small or negative."""
    if whole is None or part is None:
        return None
    return whole - part if whole == part or whole - part >= k else None


def reshare(row: dict[str, Any], name: str, share: float | None) -> None:
    """Replaces a share that is shown, with its interval, by one of published counts."""
    if row[name] is None:
        return
    ends = around(share, row[name], *(row[f"{name}{end}"] for end in _ENDS))
    row.update({name: share, **dict(zip((f"{name}_low", f"{name}_high"), _within(ends), strict=True))})


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _within(ends: list[float | None]) -> list[float | None]:
    return [None if end is None else min(1.0, max(0.0, end)) for end in ends]


def goals_in_steps(frame: pl.DataFrame | None, steps: Steps) -> pl.DataFrame | None:
    """The goals: counts in steps, none reached by more journeys than are mature, rates of published counts."""
    if frame is None:
        return None
    rows = []
    for row in frame.to_dicts():
        exact = row["mature"]
        for name in ("mature", "open", "direct", "late"):
            row[name] = steps.count("goals", (row["goal"], name), row[name])
        row["reached"] = steps.part("goals", (row["goal"], "reached"), row["reached"], exact, row["mature"])
        rows.append(row)
    if not steps.moved("goals"):
        return frame
    for row in rows:
        reshare(row, "goal_rate", _rounded(rate(row["reached"], row["mature"])))
        row["value"] = coarse_amount(row["value"], row["reached"], steps.k)
    return pl.DataFrame(rows, frame.schema, orient="row")


def segments_in_steps(frame: pl.DataFrame | None, stages: pl.DataFrame, steps: Steps) -> pl.DataFrame | None:
    """Groups: counts in steps, shares of published counts, differences from the others rounded."""
    if frame is None:
        return None
    rows = frame.to_dicts()
    published: dict[tuple[str, str, int], int | None] = {}
    for row in rows:
        of = (row["dimension"], row["segment"])
        whole = published.get((*of, row["step"] - 1))
        if whole is None:
            whole = steps.count("segments", (*of, row["step"] - 1), row["previous"])
        part = steps.part("segments", (*of, row["step"]), row["reached"], row["previous"], whole)
        published |= {(*of, row["step"] - 1): whole, (*of, row["step"]): part}
    if not steps.moved("segments", "stages"):
        return frame
    everyone = dict(stages.select("step", "share_of_previous").iter_rows())
    for row in rows:
        of = (row["dimension"], row["segment"])
        row["previous"] = None if row["previous"] is None else published[*of, row["step"] - 1]
        row["reached"] = published[*of, row["step"]]
        _regroup(row, everyone.get(row["step"]), steps.k)
    return pl.DataFrame(rows, frame.schema, orient="row")


def _regroup(row: dict[str, Any], everyone: float | None, k: int) -> None:
    """Sets the shares of a group from its published counts, and its difference from the others."""
    if row["share"] is None:
        return
    share = (
        row["share"]
        if row["reached"] is None or not row["previous"]
        else _rounded(rate(row["reached"], row["previous"]))
    )
    others = None if row["difference"] is None else coarse(row["share"] - row["difference"], row["previous"], k)
    difference = None if others is None or share is None else round(share - others, 4)
    low, high = _within(around(share, row["share"], row["low"], row["high"]))
    ends = around(difference, row["difference"], row["difference_low"], row["difference_high"])
    row.update(share=share, low=low, high=high, difference=difference, difference_low=ends[0], difference_high=ends[1])
    row["everyone"] = None if row["everyone"] is None else _rounded(everyone)


def weeks_in_steps(frame: pl.DataFrame | None, steps: Steps) -> pl.DataFrame | None:
    """Weeks: counts of a week that an earlier report has in steps; a week that none has is exact."""
    if frame is None:
        return None
    rows = frame.to_dicts()
    for row in rows:
        table = f"week {row['week']}"
        of = (row["step"],)
        reached = None if row["share"] is None or not row["previous"] else round(row["share"] * row["previous"])
        previous = steps.count(table, (*of, "previous"), row["previous"])
        part = steps.part(table, (*of, "reached"), reached, row["previous"], previous)
        row.update(exact=row["previous"], previous=previous, reached=part)
    for row in rows:
        if steps.moved(f"week {row['week']}"):
            row["share"] = _rounded(rate(row["reached"], row["previous"]))
            for name in ("low", "high"):
                row[name] = coarse(row[name], row["previous"], steps.k)
            row["state"] = row["state"] if row["share"] is not None or row["state"] != SHOWN else "withheld"
    return pl.DataFrame([{name: row[name] for name in frame.columns} for row in rows], frame.schema, orient="row")


def flow_in_steps(flow: Flow | None, steps: Steps) -> Flow | None:
    """The flow: counts in steps, shares of published counts, the shares that reach the goal rounded."""
    if flow is None:
        return None
    nodes = steps.frame("flow", flow.nodes, ("position", "touchpoint"), "units")
    links = steps.frame("flow", flow.links, ("position", "source", "target"), "units")
    through = steps.frame("flow", flow.through, ("position", "source", "target", "at", "touchpoint"), "units")
    units = steps.count("flow", ("all",), flow.units) or flow.units
    if not steps.moved("flow"):
        return flow
    at = {(row["position"], row["touchpoint"]): row["units"] for row in nodes.iter_rows(named=True)}
    node_rows = [
        _rerouted(row, steps.k, ("left", "goal")) | {"share": min(1.0, round(row["units"] / units, 4))}
        for row in nodes.drop_nulls("units").to_dicts()
    ]
    link_rows = []
    for row in links.drop_nulls("units").to_dicts():
        source = at.get((row["position"], row["source"]))
        link_rows.append(
            _rerouted(row, steps.k, ("goal",))
            | {"share_of_source": min(1.0, round(rate(row["units"], source) or 0.0, 3))}
        )
    return replace(
        flow,
        nodes=pl.DataFrame(node_rows, flow.nodes.schema, orient="row"),
        links=pl.DataFrame(link_rows, flow.links.schema, orient="row"),
        through=through.drop_nulls("units"),
        units=units,
    )


def _rerouted(row: dict[str, Any], k: int, shares: tuple[str, ...]) -> dict[str, Any]:
    """Rounds the shares of a node or link, and their texts where they are no bounds."""
    for name in shares:
        share, text = row[f"{name}_share"], row[f"{name}_text"]
        if text.endswith("%") and text[0].isdigit():
            row[f"{name}_share"] = min(1.0, coarse(share, row["units"], k) or 0.0)
            row[f"{name}_text"] = f"{row[f'{name}_share'] * 100:.1f} %"
    return row


def shares_in_steps(
    frame: pl.DataFrame | None, steps: Steps, table: str, keys: tuple[str, ...], *, whole: int | None = None
) -> pl.DataFrame | None:
    """Rows with one count and its `share` of `whole`; where that is not given, of the whole that the shares imply."""
    if frame is None or frame.is_empty():
        return frame
    count = next(name for name in ("units", "journeys", "customers") if name in frame.columns)
    published = steps.frame(table, frame, keys, count)
    if not steps.moved(table):
        return frame
    kept = published.filter(pl.col(count).is_not_null())
    of = pl.col("_of") if whole is None else pl.lit(whole)
    implied = frame.select(*keys, _of=_implied(frame, count, steps.k))
    return (
        kept.join(implied, on=list(keys), how="left", maintain_order="left")
        .with_columns(share=pl.min_horizontal(1.0, (pl.col(count) / of).round(3)))
        .select(frame.columns)
    )


def _implied(frame: pl.DataFrame, count: str, k: int) -> pl.Expr:
    """What a share is of: the count of a row by its share, of the largest row of its stage, rounded to `k`."""
    whole = (pl.col(count) / pl.col("share")).sort_by(count).last()
    of = whole.over("stage") if "stage" in frame.columns else whole
    return (of / k).round().clip(1) * k


def moves_in_steps(frame: pl.DataFrame | None, steps: Steps) -> pl.DataFrame | None:
    """Moves between touchpoints."""
    if frame is None:
        return None
    moved = steps.frame("moves", frame, ("source", "target"), "transitions", "customers")
    return moved.filter(pl.col("transitions").is_not_null(), pl.col("customers").is_not_null())


def times_in_steps(frame: pl.DataFrame | None, steps: Steps) -> pl.DataFrame | None:
    """Journeys by their time to the goal; the shares are of the sum of the published counts."""
    if frame is None:
        return None
    published = steps.frame("times", frame, ("name",), "journeys")
    if not steps.moved("times"):
        return frame
    return published.with_columns(share=(pl.col("journeys") / pl.col("journeys").sum()).round(4))


def voice_in_steps(frame: pl.DataFrame | None, steps: Steps) -> pl.DataFrame | None:
    """Answers and satisfied ones by stage."""
    if frame is None:
        return None
    rows = []
    for row in frame.to_dicts():
        answers, share = row["responses"], row["satisfied"]
        satisfied = None if share is None or answers is None else round(share * answers)
        row["responses"] = steps.count("voice", (row["stage"], "responses"), answers)
        part = steps.part("voice", (row["stage"], "satisfied"), satisfied, answers, row["responses"])
        rows.append(row | {"part": part})
    if not steps.moved("voice"):
        return frame
    for row in rows:
        share = _rounded(rate(row["part"], row["responses"]))
        row["low"], row["high"] = _within(around(share, row["satisfied"], row["low"], row["high"]))
        row["satisfied"] = share
    return pl.DataFrame([{name: row[name] for name in frame.columns} for row in rows], frame.schema, orient="row")


def changes_in_steps(frame: pl.DataFrame | None, steps: Steps) -> pl.DataFrame | None:
    """Two periods: journeys begun in steps, differences rounded."""
    if frame is None:
        return None
    published = steps.frame("changes", frame, ("step",), "earlier_entered", "later_entered")
    if not steps.moved("changes"):
        return frame
    fewest = min([n for n in (*published["earlier_entered"], *published["later_entered"]) if n], default=0)
    rows = []
    for row in published.to_dicts():
        for of in ("entered", "previous"):
            gap = coarse(row[f"{of}_difference"], fewest, steps.k)
            ends = around(gap, row[f"{of}_difference"], *(row[f"{of}{end}"] for end in _ENDS))
            row |= {f"{of}_difference": gap, f"{of}_low": ends[0], f"{of}_high": ends[1]}
        rows.append(row)
    return pl.DataFrame(rows, frame.schema, orient="row")


def incidence_in_steps(frame: pl.DataFrame | None, steps: Steps) -> pl.DataFrame | None:
    """The share that has reached the goal by day, rounded by the size of its group once that has moved."""
    if frame is None:
        return None
    published = steps.frame("incidence", frame, ("group", "days"), "journeys")
    if not steps.moved("incidence", "stages", "times"):
        return frame
    rows = [
        row | {name: coarse(row[name], row["journeys"], steps.k) for name in ("share", "low", "high")}
        for row in published.to_dicts()
    ]
    return pl.DataFrame(rows, frame.schema, orient="row")


def linked_in_steps(frame: pl.DataFrame | None, touches: int, steps: Steps) -> pl.DataFrame | None:
    """Shares of touches by how they are linked, rounded once the touches have moved."""
    if frame is None or not steps.moved("facts"):
        return frame
    shares = [coarse(share, touches, steps.k) for share in frame["share"]]
    return frame.with_columns(share=pl.Series(shares, dtype=pl.Float64))


def refused_in_steps(frame: pl.DataFrame | None, steps: Steps) -> pl.DataFrame | None:
    """Messages in quarantine by reason."""
    return None if frame is None else steps.frame("refused", frame, ("reason",), "messages")
