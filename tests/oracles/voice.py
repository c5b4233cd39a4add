"""Which stage a survey answer belongs to, and what the answers say, the slow way."""

from __future__ import annotations

from typing import Any

SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}


def is_response(touch: dict[str, Any]) -> bool:
    low, high = SCALES.get(touch["survey"], (1, 0))
    return touch["score"] is not None and low <= touch["score"] <= high


def belongs(touches: list[dict[str, Any]], lookback: float) -> list[tuple[dict[str, Any], str | None]]:
    """Each response with the stage of the last touch before it that has one."""
    out = []
    for response in filter(is_response, touches):
        before = [
            touch
            for touch in touches
            if touch["customer"] == response["customer"]
            and not is_response(touch)
            and touch["stage"] is not None
            and 0 < response["at"] - touch["at"] <= lookback
        ]
        out.append((response, max(before, key=lambda touch: touch["at"])["stage"] if before else None))
    return out


def measures(touches: list[dict[str, Any]], lookback: float) -> dict[str | None, dict[str, Any]]:
    """Per stage: responses, nps, csat, ces; a measure without an answer is None."""
    groups: dict[str | None, list[dict[str, Any]]] = {}
    for response, stage in belongs(touches, lookback):
        groups.setdefault(stage, []).append(response)
    out = {}
    for stage, answers in groups.items():
        scores = {name: [a["score"] for a in answers if a["survey"] == name] for name in SCALES}
        nps, csat, ces = scores["nps"], scores["csat"], scores["ces"]
        out[stage] = {
            "responses": len(answers),
            "nps": (sum(s >= 9 for s in nps) - sum(s <= 6 for s in nps)) / len(nps) if nps else None,
            "csat": sum(s >= 4 for s in csat) / len(csat) if csat else None,
            "ces": sum(ces) / len(ces) if ces else None,
        }
    return out
