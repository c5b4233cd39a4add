"""`python -m tests.audit SITE LAKE [--config journeys.toml]`: prints what was checked and what differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.audit import sentences, site
from tests.audit.claims import Claims
from tests.audit.expected import falls, since
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
    return Truth(paths_of(lake.read(lake_address, settings, None if version is None else int(version)), settings))


def audited(built: site.Site, truth: Truth) -> Outcome:
    """Compares all frames and judges all sentences."""
    outcome, frames, measures = Outcome(), built.frames, expected_frames(truth)
    measures["since"] = lambda: since.frame(Claims(truth, built))
    for card, rows in frames.items():
        if card not in measures:
            outcome.differs(card, "no rule of the audit knows this card")
            continue
        judged = rows if card != "act-first" else _without_falls(rows, truth, outcome)
        if judged or not rows:
            outcome.compare(card, judged, measures[card]())
        outcome.compare_csv(card, rows, built.csv(card))
    for failure in built.index["failures"]:
        outcome.differs("site.json", f"the site says that something could not be made: {failure}")
    sentences.judge(outcome, built, truth)
    return outcome


def _without_falls(rows: list[site.Row], truth: Truth, outcome: Outcome) -> list[site.Row]:
    """The problems but for falls of groups, which are judged by rules of their own."""
    found = truth.known["falls"] = [row for row in rows if row["first"] and row["dimension"]]
    if found:
        outcome.compare("act-first", found, falls.falls(truth, found))
    return [row for row in rows if row not in found]


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
