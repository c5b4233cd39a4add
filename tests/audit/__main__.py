"""`python -m tests.audit SITE LAKE [--config journeys.toml]`: prints what was checked and what differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.audit import people, site, voice
from tests.audit.claims import Claims
from tests.audit.expected import incidents, periods, problems, restated, since, targets
from tests.audit.expected import people as customers
from tests.audit.expected.frames import expected_frames
from tests.audit.landed import lake
from tests.audit.landed.paths import paths_of
from tests.audit.landed.settings import Settings
from tests.audit.outcome import Outcome
from tests.audit.truth import Truth


def truth_of(built: site.Site, lake_address: str, config: Path) -> Truth:
    """The measures of the lake as of the version that the site was built from."""
    settings = Settings.read(config).filtered(built.filter)
    version = built.index["versions"].get("events")
    landed = lake.read(lake_address, settings, None if version is None else int(version))
    truth = Truth(paths_of(landed, settings))
    truth.known |= {"lake": lake_address, "events": None if version is None else int(version)}
    if settings.days != (None, None):  # all days are watched
        truth.known["whole"] = Truth(paths_of(landed, settings.of_all_days))
    return truth


def audited(built: site.Site, truth: Truth) -> Outcome:
    """Compares all frames and judges all sentences."""
    outcome, frames, measures = Outcome(), built.frames, expected_frames(truth)
    whole = truth.known.get("whole", truth)
    told = frames.get("alerts", [])
    measures["since"] = lambda: since.frame(Claims(truth, built))
    measures["restated"] = lambda: restated.frame(Claims(truth, built))
    measures["alerts"] = lambda: incidents.alerts(whole, told)
    measures["trend"] = lambda: periods.trend(truth, told)
    of_targets = targets.hashes_of(frames.get("target-cohorts", []))
    earlier = targets.told_earlier(built.earlier)
    measures["targets"] = lambda: targets.frame_of_targets(whole, of_targets)
    measures["target-cohorts"] = lambda: targets.frame_of_cohorts(whole, earlier, of_targets, frames["target-cohorts"])
    measures["target-causes"] = lambda: targets.causes(whole, frames["target-causes"])
    measures["target-changes"] = lambda: targets.changes(whole, frames["target-cohorts"])
    measures["owned-definitions"] = lambda: targets.owned(whole)
    measures["maturity"] = lambda: targets.maturity(whole)
    measures["act-first"] = lambda: problems.problems(truth, frames["act-first"], told)
    measures["themes"] = lambda: voice.themes(truth, frames["themes"])
    measures["themes-by-stage"] = lambda: voice.themes_by_stage(truth, frames["themes"])
    measures["beliefs"] = lambda: voice.beliefs(truth)
    measures["outlook"] = lambda: customers.outlook(whole, frames["outlook"], people.tested_on(built))
    for card in ("targets", "target-cohorts"):
        if truth.settings.journeys and card not in frames:
            outcome.differs(card, "the configuration has journeys with targets, and the site has no such card")
    for card, rows in frames.items():
        if card == "incident":
            (alert,) = [row for row in told if row["alert"] == rows[0]["alert"]]
            measures[card] = lambda alert=alert, rows=rows: incidents.by_day(whole, alert, rows)  # type: ignore[misc]
        if card not in measures:
            outcome.differs(card, "no rule of the audit knows this card")
            continue
        outcome.compare(card, rows, measures[card]())
        outcome.compare_csv(card, rows, built.csv(card))
    for failure in built.index["failures"]:
        outcome.differs("site.json", f"the site says that something could not be made: {failure}")
    people.judge(outcome, built, truth)
    return outcome


def main() -> int:
    """Audits one site."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("site", type=Path, help="folder of the site, with its site.json")
    parser.add_argument("lake", help="folder of the lake")
    parser.add_argument("--config", type=Path, help="journeys.toml; by default that beside the site")
    asked = parser.parse_args()
    built = site.read(asked.site)
    outcome = audited(built, truth_of(built, asked.lake, asked.config or asked.site.parent / "journeys.toml"))
    sys.stdout.write(outcome.table() + "\n")
    return 1 if outcome.differences else 0


if __name__ == "__main__":
    sys.exit(main())
