"""journeys.toml: one file, one table a room; every key can be overridden by an environment variable.

`[ingest]`, `[paths]` and `[report]` are each a `Section` that its room defines. The key `brokers` of table `[ingest]`
is overridden by `JOURNEYS_INGEST__BROKERS`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of journeys.toml: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
