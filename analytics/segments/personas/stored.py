"""Fits in the lake: `personas/fit-0003.json`, and who was in which persona then, `personas/members-0003.parquet`.

Only the members of the fit in force are kept, to find the same personas again after the next fit. Erasing a customer
goes through them, and so does an objection to profiling (`analytics.stitching.privacy.kept.persona_members`). The texts
that people wrote are kept with the numbers that they were written for, in `personas/texts.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from analytics.segments.personas.fitted import PersonaFit
from analytics.stitching.privacy.journal import erasures
from analytics.stitching.privacy.kept.persona_members import MEMBERS, member_files
from expectations.errors import StorageError
from expectations.lake import files
from expectations.lake.layout import PERSONAS, Lake

_FIT: Final = re.compile(r"fit-(\d+)\.json")
TEXTS: Final = "texts.json"


def keep_fit(lake: Lake, fit: PersonaFit, members: pl.DataFrame, *, erased: int) -> None:
    """Keeps a fit, which is in force from now on, and its members (`persona_members`).

    `erased` is what `erasures` counted before the paths of the fit were opened. Raises `StorageError`, and keeps
    nothing, where a customer was removed since: the fit may hold this person.
    """
    older = member_files(lake)
    own = MEMBERS.format(fit.number)
    files.write_rows(_address(lake, own), members.with_columns(pl.col("customer").cast(pl.String)))
    # written first: whoever is removed from now on is removed from this file, too
    if erasures(lake) != erased:
        files.discard(lake.table(PERSONAS), [own])
        raise StorageError(
            "A customer was removed while personas were found: nothing is kept of them.",
            where=lake.table(PERSONAS),
            do="find them again: journeys personas fit",
        )
    files.write(_address(lake, f"fit-{fit.number:04}.json"), json.dumps(fit.as_plain(), indent=1).encode())
    files.discard(lake.table(PERSONAS), [name for name in older if name != own])


def fit_in_force(lake: Lake) -> PersonaFit | None:
    """The fit in force, the one with the highest number; None where there is none.

    >>> fit_in_force(Lake("nowhere"))
    """
    found = [int(match[1]) for name in files.listing(lake.table(PERSONAS)) if (match := _FIT.fullmatch(name))]
    if not found:
        return None
    content = files.read(_address(lake, f"fit-{max(found):04}.json"))
    assert content is not None, "listed"
    return PersonaFit.from_plain(json.loads(content))


def kept_members(lake: Lake, fit: PersonaFit) -> pl.DataFrame | None:
    """The members of a fit when it was made: `customer`, `persona` (the id); None where they are not kept."""
    name = MEMBERS.format(fit.number)
    return files.read_rows(_address(lake, name)) if name in member_files(lake) else None


def known_texts(lake: Lake, texts: Mapping[str, str]) -> dict[str, Any]:
    """What each text, by the id of its persona, was written for: `fit` (null by rules), and the `numbers` then.

    Without texts that are new, or were changed since: they are not kept yet.

    >>> known_texts(Lake("nowhere"), {"p1": "Buys on the sofa"})
    {}
    """
    kept: dict[str, Any] = json.loads(files.read(_address(lake, TEXTS)) or b"{}")
    return {persona: kept[persona] for persona, text in texts.items() if kept.get(persona, {}).get("text") == text}


def texts_written_for(
    lake: Lake, texts: Mapping[str, str], numbers: Mapping[str, Any], fit: int | None
) -> dict[str, Any]:
    """As `known_texts`; a text that is new, or was changed, is kept with the `numbers` of now."""
    address, known = _address(lake, TEXTS), known_texts(lake, texts)
    new = {
        persona: {"text": text, "fit": fit, "numbers": numbers[persona]}
        for persona, text in texts.items()
        if persona not in known
    }
    if new:
        kept: dict[str, Any] = json.loads(files.read(address) or b"{}")
        files.write(address, json.dumps({**kept, **new}, indent=1, sort_keys=True).encode())
    return {**known, **new}


def _address(lake: Lake, name: str) -> str:
    return f"{lake.table(PERSONAS)}/{name}"
