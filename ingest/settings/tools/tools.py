"""Reads the mappings of other tools: how their messages become events, the identity rules that come nearest to theirs,
and the profile of their funnels, where there is one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent
TOOLS: Final = tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))
"""The tools with a mapping."""


@dataclass(frozen=True)
class Tool:
    """One tool: what of it is read, the keys of a stream, those of `[paths.identities]`, and the profile of funnels
    that counts as it does; blank for none.
    """

    name: str
    about: str
    messages: Mapping[str, Any]
    identities: Mapping[str, Any]
    profile: str


@cache
def tool_named(name: str) -> Tool:
    """The tool of a name. Raises ValueError for an unknown one.

    >>> tool_named("posthog").profile
    'posthog'
    """
    if name not in TOOLS:
        raise ValueError(f"expected one of {', '.join(TOOLS)}")
    read = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return Tool(name, read["about"], read["messages"], read["identities"], read.get("profile", ""))


def with_tool(table: Any) -> Any:
    """The keys of a stream that names a tool, over those of the tool: its own fields and rules come first.

    >>> table = {"tool": "stripe", "channel": "till", "fields": {"customer_id": "data.object.metadata.shopper"}}
    >>> read = with_tool(table)
    >>> read["kind"], read["channel"], read["fields"]["customer_id"], read["fields"]["event_name"]
    ('clickstream', 'till', 'data.object.metadata.shopper', 'type')
    """
    if not isinstance(table, dict) or not isinstance(table.get("tool"), str):
        return table
    known = tool_named(table["tool"]).messages
    merged = {**known, **table}
    for key, join in (("fields", _fields), ("rules", _rules)):
        if key in known and key in table:
            merged[key] = join(table[key], known[key])
    return merged


def _fields(own: Any, known: Mapping[str, Any]) -> Any:
    return {**known, **own} if isinstance(own, dict) else own


def _rules(own: Any, known: list[Any]) -> Any:
    return [*own, *known] if isinstance(own, list) else own
