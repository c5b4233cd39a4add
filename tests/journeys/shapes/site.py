"""A published site, read back: its links, its sentences, its numbers against the funnel of the command line."""

from __future__ import annotations

import itertools
import json
import re
from html import unescape
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

WORDS: Final = {
    w: n for n, w in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1)
}
SPACE: Final = "[ \u00a0\u202f]?"
FRACTION: Final = re.compile(r"^(?:About )?(\w+) in (\w+) journeys reach(?:es)? ", re.IGNORECASE)
SHARE: Final = re.compile(rf"^([\d.]+){SPACE}% of journeys reach ")
BETWEEN: Final = re.compile(rf"^Between ([\d.]+){SPACE}% and ([\d.]+){SPACE}% of journeys reach ")
STEP: Final = re.compile(r"; (most stop at|the weakest step is) “(.*)” → “(.*)”$", re.DOTALL)
LEAST: Final = 30
_SCRIPT: Final = re.compile(r"<(script|template)\b.*?</\1>", re.DOTALL)


def latest(site: Path) -> Path:
    """The folder of the newest report."""
    index = json.loads((site / "site.json").read_text(encoding="utf-8"))
    return site / str(index["folder"])


def broken_links(site: Path) -> list[str]:
    """The links of all pages that lead nowhere."""
    missing = []
    for page in site.rglob("*.html"):
        text = _SCRIPT.sub("", page.read_text(encoding="utf-8"))
        for address in re.findall(r'(?:href|src)="([^"#][^"]*)"', text):
            target = unquote(unescape(address)).partition("#")[0]
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                missing.append(f"{page.relative_to(site)}: {address}")
    return missing


def undrawn(site: Path) -> list[str]:
    """The failures that the site's index lists, and pages that say that a part of them could not be made."""
    said = re.compile(r"could not be (?:drawn|made)|Something on it failed")
    failures: list[str] = json.loads((site / "site.json").read_text(encoding="utf-8")).get("failures", [])
    pages = (page for page in site.rglob("*.html") if said.search(_SCRIPT.sub("", page.read_text(encoding="utf-8"))))
    return failures + [str(page.relative_to(site)) for page in pages]


def headings(site: Path) -> dict[str, list[str]]:
    """The headings of first rank of every page."""
    found = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)
    return {
        str(page.relative_to(site)): [
            unescape(re.sub(r"<[^>]+>", "", text)) for text in found.findall(page.read_text())
        ]
        for page in site.rglob("*.html")
    }


def untrue(headline: str, funnel: list[dict[str, Any]]) -> str:
    """Why the headline of the summary is not true of the rows of `journeys funnel`; empty where it is."""
    goal, entered = funnel[-1], funnel[-1]["entered"]
    if headline == "Nothing has happened yet":
        return "there are journeys"
    if headline.startswith("Too few journeys"):
        return f"{funnel[0]['customers']} customers" if funnel[0]["customers"] >= LEAST else ""
    if headline.startswith("No journey has reached"):
        return f"{goal['reached']} have" if goal["reached"] else ""
    if headline.startswith("The share of journeys that reach") and "is withheld" in headline:
        return _untrue_hiding(funnel)
    if headline.startswith("All journeys are direct"):
        return "" if goal["direct"] and not entered and not funnel[0]["open"] else f"{entered} are not"
    if not entered:
        return "no journey is mature"
    rate = goal["reached"] / entered
    return _untrue_share(headline, rate) or _untrue_step(headline, funnel)


def _untrue_hiding(funnel: list[dict[str, Any]]) -> str:
    """Why nothing need be withheld; empty where a group of fewer than ten customers would be known."""
    people = [number for row in funnel for number in (row["customers"], row["customers_lost"])]
    return "" if any(0 < number < 10 for number in people) else f"groups of {people} customers"


def _untrue_share(headline: str, rate: float) -> str:
    if found := BETWEEN.match(headline):
        return "" if float(found[1]) <= 100 * rate <= float(found[2]) else f"the rate is {rate}"
    if found := SHARE.match(headline):
        return "" if abs(float(found[1]) - 100 * rate) <= 0.051 else f"the rate is {rate}"
    if headline.startswith("Every journey reaches"):
        return "" if rate == 1 else f"the rate is {rate}"
    if headline.startswith("Nearly every journey reaches"):
        return "" if 0.9995 <= rate < 1 else f"the rate is {rate}"
    if headline.startswith("Half of the journeys"):
        return "" if abs(rate - 0.5) < 0.005 else f"the rate is {rate}"
    if found := FRACTION.match(headline):
        said = WORDS[found[1].lower()] / WORDS[found[2].lower()]
        return "" if abs(rate / said - 1) < 0.04 else f"the rate is {rate}"
    return "the sentence is not known"


def _untrue_step(headline: str, funnel: list[dict[str, Any]]) -> str:
    if not (found := STEP.search(headline)):
        return ""
    steps = list(itertools.pairwise(funnel))
    rates = {after["step"]: after["reached"] / before["reached"] for before, after in steps if before["reached"]}
    lost = {after["step"]: before["reached"] - after["reached"] for before, after in steps}
    weakest = min(rates, key=lambda step: rates[step])
    if funnel[weakest - 2]["name"] != found[2]:
        return f"the weakest step is after {funnel[weakest - 2]['name']}"
    if found[1].startswith("most") and lost[weakest] < max(lost.values()):
        return f"{lost} are lost before the steps"
    return ""
