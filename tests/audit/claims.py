"""What a sentence may claim: the weakest step, the largest loss, the lowest satisfaction, the commonest route."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from tests.audit.certainty import Share, clearly_larger, difference
from tests.audit.expected import groups, periods
from tests.audit.expected.routes import flow_rounds
from tests.audit.expected.withholding import small
from tests.audit.landed.settings import SECOND, UNKNOWN
from tests.audit.site import Site
from tests.audit.truth import OTHER, Truth


@dataclass
class Claims:
    """The truth, the site, and what follows from the truth for sentences."""

    truth: Truth
    site: Site

    @property
    def k(self) -> int:
        """Counts below it are withheld."""
        return self.truth.settings.k

    @property
    def least(self) -> int:
        """Rates over fewer customers are not shown."""
        return self.truth.settings.least

    @cached_property
    def goal_rate(self) -> Share:
        """Of all mature journeys."""
        return Share.of((w.customer for w in self.truth.mature), (w.customer for w in self.truth.mature if w.reached))

    def name(self, step: int) -> str:
        """The name of a row of the funnel, from 1."""
        return self.truth.settings.steps[step - 1]

    @cached_property
    def rated(self) -> dict[int, Share]:
        """The steps of which a share is published."""
        return {
            row["step"]: self.truth.funnel[row["step"] - 1].share
            for row in self.site.frames["funnel"]
            if row["share_of_previous"] is not None
        }

    @cached_property
    def weakest(self) -> int | None:
        """The step of which the share of the stage before is lowest, clearly so."""
        shares = {step: self.truth.funnel[step - 1].share for step in range(2, self.truth.rows + 1)}
        if len(self.rated) < 2:
            return None
        lowest = min(self.rated, key=lambda step: self.rated[step].value or 0.0)
        high = (self.rated[lowest].ends or (0, 1))[1]
        clear = all(high < (share.ends or (0.0, 1.0))[0] for step, share in shares.items() if step != lowest)
        return lowest if clear else None

    @cached_property
    def largest_loss(self) -> int | None:
        """The step before which most journeys are lost, clearly so."""
        lost = sorted(
            ((len(s.previous) - len(s.reached), step) for step, s in enumerate(self.truth.funnel, 1) if step > 1),
            reverse=True,
        )
        if not lost or not lost[0][0]:
            return None
        worth = self.journey_worth
        return lost[0][1] if len(lost) < 2 or clearly_larger(lost[0][0] * worth, lost[1][0] * worth) else None

    @cached_property
    def journey_worth(self) -> float:
        """Customers by journeys: the least number of independent journeys that one is worth."""
        entered = self.truth.funnel[0].reached
        return len({walk.customer for walk in entered}) / len(entered) if entered else 1.0

    @cached_property
    def satisfaction(self) -> dict[str, Share]:
        """The share of satisfied answers by stage, where it may be shown."""
        found = {}
        for stage, answers in self.truth.answers().items():
            share = Share.of((who for who, _ in answers), (who for who, yes in answers if yes))
            sides = [{who for who, yes in answers if yes is kind} for kind in (True, False)]
            if len(sides[0] | sides[1]) >= self.least and not any(small(len(who), self.k) for who in sides):
                found[stage] = share
        return found

    def lowest_satisfaction(self) -> tuple[str, bool] | None:
        """The stage with the lowest share of satisfied answers, and whether clearly so."""
        ranked = sorted(self.satisfaction.items(), key=lambda item: item[1].value or 0.0)
        if not ranked:
            return None
        others = [(share.ends or (0.0, 1.0))[0] for _, share in ranked[1:]]
        return ranked[0][0], bool(others) and (ranked[0][1].ends or (0, 1))[1] < min(others)

    def most_different(self) -> groups.Group | None:
        """The group and step clearly below the others that affects most journeys, else clearly above."""
        shown = {
            (row["dimension"], row["segment"], row["step"]): row["verdict"]
            for row in self.site.frames.get("segments", [])
            if row["difference"] is not None and row["segment"] != UNKNOWN
        }
        for side in ("below", "above"):
            found = [
                group
                for group in groups.groups_of(self.truth)
                if shown.get((group.dimension, group.segment, group.step)) == side == group.verdict
            ]
            if found:
                return max(found, key=self.weight)
        return None

    @staticmethod
    def weight(group: groups.Group) -> float:
        """How many journeys the difference of a group affects."""
        return abs(difference(group.share, group.others)[0]) * group.share.whole

    def first_move(self) -> tuple[str, str, int] | None:
        """The most frequent first move by touchpoint, where clearly so."""
        counts = sorted(
            ((len(walks), source, target) for (p, source, target), walks in self.truth.flow.links.items()
             if p == 1 and source != OTHER), reverse=True)  # fmt: skip
        if not counts:
            return None
        slack = 10 if flow_rounds(self.truth) else 0
        worth = self.journey_worth
        first, second = counts[0][0] + slack, max(0, (*counts, (0,))[1][0] - slack)
        clear = len(counts) < 2 or clearly_larger(first * worth, second * worth)
        return (counts[0][1], counts[0][2], counts[0][0]) if clear else None

    def commonest(self, ending: str) -> list[tuple[int, str]]:
        """The listed whole paths with this ending, with their journeys."""
        return [(row["units"], row["route"]) for row in self.site.frames["commonest"] if row["ended"] == ending]

    @cached_property
    def first_at(self) -> datetime:
        """The first touch of all."""
        return self.truth.calendar.moment(min(touch.at for touch in self.truth.paths.all_touches))

    @cached_property
    def end(self) -> datetime:
        """The end of the data."""
        return self.truth.calendar.moment(self.truth.paths.end)

    def before_end(self, *lengths: timedelta) -> datetime:
        """The time that lies so long before the end of the data, whatever clocks did in between."""
        length = round(sum(lengths, timedelta(0)).total_seconds()) * SECOND
        return self.truth.calendar.moment(self.truth.paths.end - length)

    @property
    def window(self) -> timedelta:
        """The time to the goal."""
        return timedelta(microseconds=self.truth.settings.window)

    @property
    def compare(self) -> timedelta:
        """The length of the periods that are compared."""
        return timedelta(microseconds=self.truth.settings.compare)

    @cached_property
    def costly(self) -> list[dict[str, Any]]:
        """The alerts that cost a goal or more, by the lower end."""
        rows = [row for row in self.site.frames.get("alerts", []) if (row["low"] or 0) >= 1 and _is_incident(row)]
        return sorted(rows, key=lambda row: (-row["low"], row["alert"]))

    def changed(self) -> tuple[str, float] | None:
        """The step of which going on has clearly changed most, and by how much."""
        sides = periods.compared(self.truth)
        if sides is None:
            return None
        told = {row["step"] for row in self.site.frames.get("changes", []) if row["previous_difference"] is not None}
        steps = zip(*(self.truth.steps(side) for side in sides), strict=True)
        found = []
        for step, (then, now) in enumerate(steps, 1):
            gap, low, high = difference(now.share, then.share) if step in told else (0.0, 0.0, 0.0)
            if low > 0 or high < 0:
                found.append((abs(gap), self.name(step), gap))
        return max(found)[1:] if found else None

    @property
    def withheld(self) -> tuple[int, int, int]:
        """Cells of the stages and their groups: withheld, of too few, and all."""
        states = [row["state"] for card in ("funnel", "segments") for row in self.site.frames.get(card, [])]
        return states.count("withheld"), states.count("few"), len(states)

    @cached_property
    def customers(self) -> int:
        """Of all journeys and touches."""
        return len(self.truth.paths.touches)

    def outcomes(self) -> dict[str, int]:
        """Journeys by outcome."""
        counts: dict[str, Any] = {"converted": 0, "abandoned": 0, "open": 0}
        for journey in self.truth.paths.journeys:
            counts[journey.outcome] += 1
        return counts


def _is_incident(row: Any) -> bool:
    """Whether an alert is an incident of days: no missed target, and none of weeks."""
    return row["rule"] == "unusual" and row["period"] != "week"
