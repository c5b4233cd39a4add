"""Which themes texts have, and how many, the slow way: words one by one, texts one by one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tests.oracles.voice import is_response

LOW = {"nps": 6, "csat": 2, "ces": 3}


class Coded(NamedTuple):
    name: str
    any: Sequence[str]
    none: Sequence[str] = ()


def words_of(text: str) -> list[str]:
    small = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text[:4000]).lower().replace("ß", "ss"))
    return "".join(each if unicodedata.category(each)[0] in "LMN" or each == "*" else " " for each in small).split()


def says(text: str, phrase: str) -> bool:
    pattern = words_of(phrase)
    bare = "".join(each for each in unicodedata.normalize("NFD", text) if unicodedata.category(each)[0] != "M")
    for written in (text, bare):
        words = words_of(written.replace("*", " "))
        for at in range(len(words) - len(pattern) + 1):
            if all(fnmatchcase(word, wanted) for word, wanted in zip(words[at:], pattern, strict=False)):
                return True
    return False


def themes_of(text: str, book: Sequence[Coded]) -> set[str]:
    return {
        theme.name
        for theme in book
        if any(says(text, word) for word in theme.any) and not any(says(text, word) for word in theme.none)
    }


def counts(touches: list[dict[str, Any]], book: Sequence[Coded], lookback: float) -> dict[Any, dict[str, int]]:
    """Per stage ("*": all) and theme (None: without one): the counts of `themes`."""
    out: dict[Any, dict[str, Any]] = {}
    for touch in touches:
        if not (touch["text"] or "").strip():
            continue
        before = [
            other
            for other in touches
            if other["customer"] == touch["customer"]
            and not is_response(other)
            and not (other["text"] or "").strip()
            and other["stage"] is not None
            and 0 < touch["at"] - other["at"] <= lookback
        ]
        stage = max(before, key=lambda other: other["at"])["stage"] if before else None
        found = themes_of(touch["text"], book)
        is_low = is_response(touch) and touch["score"] <= LOW[touch["survey"]]
        for group in ("*", stage):
            for name in [*(theme.name for theme in book), None]:
                has = name in found if name is not None else not found
                row = out.setdefault(
                    (group, name), {"texts": 0, "responses": 0, "scored": 0, "low": 0, "people": set()}
                )
                row["texts"] += 1
                row["responses"] += has
                row["scored"] += has and is_response(touch)
                row["low"] += has and is_low
                row["people"] |= {touch["customer"]} if has else set()
    return {key: {**row, "people": len(row["people"])} for key, row in out.items()}
