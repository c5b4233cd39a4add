"""The Summary names what went wrong in the simulated shop, and little else; of shuffled groups it claims nothing."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

from ingest.samples.simulator import simulate
from reports.questions.definitions import Asked
from reports.site.publish import publish
from tests.reports.questions.stories import Score, run, stitched


def test_stories_of_six_standard_errors_are_named_and_no_fall_is_made_up() -> None:
    """The twin says what a fall owes to a story; what is always so takes more seeds (`make long`)."""
    found: Score = run([1, 8], customers=4_000)
    named, large = found.share_named(6.0)
    assert named == large >= 1, "\n".join(found.lines())
    made_up = [claim for _, _, claim, founded in found.claims if claim["first"] is not None and not founded]
    assert made_up == [] and len(found.claims) > 4
    assert not any(found.shuffled)


def test_the_site_of_the_demo_tells_who_could_not_pay_on_which_days_and_who_never_buys(tmp_path: Path) -> None:
    """Two planted truths are on no card: the slow page, as pages are no breakdown of the report, and partners that only
    help, as it has no card of credit.
    """
    simulation = simulate(customers=20_000, seed=7)
    settings, incident = stitched(tmp_path, simulation), simulation.truths.incident
    asked = settings.report.model_copy(update={"pages": ("summary",), "static": False, "files": False})
    site = tmp_path / "site"
    publish(settings.lake, asked, settings.paths, str(site), simulation.truths.end, asked=Asked(tuple(settings.goals)))
    index = json.loads((site / "site.json").read_text(encoding="utf-8"))
    (frame,) = [part["frame"] for part in index["pages"][0]["parts"] if part["id"] == "act-first"]
    rows = [dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True)]
    (phones,) = [row for row in rows if row["first"] is not None and row["segment"] == incident.device]
    assert (phones["dimension"], phones["name"], phones["is_lasting"]) == ("Device", "Payment submitted", False)
    planted = incident.start.date(), (incident.end - timedelta(seconds=1)).date()
    found = [date.fromisoformat(phones[edge]) for edge in ("first", "last")]
    assert all(abs(day - truth) <= timedelta(days=1) for day, truth in zip(found, planted, strict=True))
    assert phones["share"] < 0.75 * phones["usual"]
    page = (site / index["folder"] / index["pages"][0]["file"]).read_text(encoding="utf-8")
    assert f"◆ “Checkout started” → “Payment submitted”, device “{incident.device}”: " in page
    never = simulation.truths.never_converts
    (shoppers,) = [row for row in rows if row["segment"] == never.value and row["name"] == "Order placed"]
    assert (shoppers["dimension"], shoppers["share"], shoppers["first"]) == ("Attitude", 0.0, None)
