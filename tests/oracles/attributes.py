"""What was known about a customer at a time, the slow way.

A profile row is a dict: kind, identity, attribute, value, since (seconds), offset.
"""

from __future__ import annotations

from typing import Any


def held(rows: list[dict[str, Any]], identities: list[tuple[str, str]], attribute: str, at: float) -> str | None:
    """The value of an attribute at a time, for a customer with these identities, the most trusted first."""
    known = [
        row
        for row in rows
        if (row["kind"], row["identity"]) in identities and row["attribute"] == attribute and row["since"] <= at
    ]
    if not known:
        return None
    last = max(row["since"] for row in known)
    latest = [row for row in known if row["since"] == last]
    best = min(identities.index((row["kind"], row["identity"])) for row in latest)
    own = [row for row in latest if identities.index((row["kind"], row["identity"])) == best]
    return max(own, key=lambda row: row["offset"])["value"]  # type: ignore[no-any-return]
