"""The Summary names what went wrong in the simulated shop, and little else; of shuffled groups it claims nothing."""

from __future__ import annotations

from datetime import date

from tests.reports.questions.stories import Score, played, run


def test_stories_of_six_standard_errors_are_named_and_no_fall_is_made_up() -> None:
    """The twin says what a fall owes to a story; what is always so takes more seeds (`make long`)."""
    found: Score = run([1, 8], customers=4_000)
    named, large = found.share_named(6.0)
    assert named == large >= 1, "\n".join(found.lines())
    made_up = [claim for _, _, claim, founded in found.claims if claim["first"] is not None and not founded]
    assert made_up == [] and len(found.claims) > 4
    assert not any(found.shuffled)


def test_the_summary_of_the_demo_names_the_payments_on_phones_with_their_days() -> None:
    """Days are those on which journeys began: some who paid on 26 February had begun the day before."""
    world, _ = played(7, "planted", 20_000, shuffle=False)
    dated = [claim for claim in world.claims if claim["first"] is not None]
    (phones,) = [claim for claim in dated if claim["segment"] == "mobile"]
    assert (phones["dimension"], phones["name"], phones["is_lasting"]) == ("Device", "Order placed", False)
    assert abs(phones["first"] - date(2026, 2, 26)).days <= 1 and abs(phones["last"] - date(2026, 3, 5)).days <= 2
    assert phones["share"] < 0.75 * phones["usual"]
    assert "window shopper" in {claim["segment"] for claim in world.claims}
