"""Receipts: a report is computed again to the byte, whatever landed since; every forgery is found and named."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from analytics import refresh_paths, split_identities
from expectations.errors import DefinitionError, InputError, StorageError
from expectations.lake.layout import Lake
from reports.questions.definitions import Asked
from reports.settings import ReportSettings
from reports.site.places import place_of
from reports.site.publish import publish
from reports.site.receipts.numbers import differences
from reports.site.receipts.verify import Again, Verifier, receipt_on, verified_file, verified_number
from tests.analytics.monitoring.runs.histories import RULES, History

AT = datetime(2026, 8, 30, 6, tzinfo=UTC)
SETTINGS = ReportSettings(window="7d", compare="14d", pages=("summary", "trust"), static=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, History, str]:
    """Two reports of one shop, the second a day and forty orders later; then the lake moves on."""
    folder = tmp_path_factory.mktemp("shop")
    history = History(folder / "lake")
    events = [
        (name, number % 40 + at / 24, f"c{number}", f"b{number % 170}")
        for number in range(180)
        for at, name in enumerate(("look", "cart", "buy")[: 1 + number % 3])
    ]
    history.land(*events[:280])
    for day, more in enumerate((events[280:], [])):
        refresh_paths(history.lake, RULES)
        published = publish(history.lake, SETTINGS, RULES, folder / "site", AT + timedelta(days=day))
        history.land(*more, ("look", 60, "zed", None))
    split_identities(history.lake, "customer_id:c1", "anonymous_id:b1", decided_at=AT + timedelta(days=9))
    refresh_paths(history.lake, RULES)
    return folder / "site" / "runs" / published.run, history, published.run


@pytest.fixture(scope="module")
def verifier(shop: tuple[Path, History, str]) -> Verifier:
    return Verifier(shop[1].lake, SETTINGS, RULES, Asked(), place_of(str(shop[0].parents[1])))


@pytest.fixture(scope="module")
def again(shop: tuple[Path, History, str], verifier: Verifier) -> Again:
    return verifier.again(shop[2], static=True)


@pytest.mark.parametrize("file", ["report.html", "report_static.html", "../../index.html", "trust.html", "site.json"])
def test_every_page_is_computed_again_after_the_lake_has_moved_on(
    shop: tuple[Path, History, str], again: Again, file: str
) -> None:
    verdict = again.file((shop[0] / file).read_bytes(), file)
    assert verdict.differences == () and verdict.notes == () and verdict.run == shop[2]
    assert verdict.checked > 100
    assert verdict.receipt["k"] == 10 and verdict.receipt["offsets"] == {"web": {"0": 360}}


def test_fifty_planted_forgeries_are_found_each_with_its_card(shop: tuple[Path, History, str]) -> None:
    page = (shop[0] / "report.html").read_text()
    script = page.index('<script type="application/json"')
    numbers = [
        found for found in re.finditer(r"(?<=[>\s,:\[])\d+(?=[<\s,.\]%])", page) if _is_shown(page, found.start())
    ]
    random = Random("forgeries")
    texts = random.sample([each for each in numbers if each.start() < script], 40)
    data = random.sample([each for each in numbers if script < each.start() < script + 30_000], 10)
    planted = sorted((*texts, *data), key=lambda number: number.start())
    forged, last, expected = [], 0, set()
    for number in planted:
        forged += [page[last : number.start()], f"{int(number[0]) + 1}"]
        last = number.end()
        if last < script:
            cards = re.findall(r'<figure class="card[^"]*" id="([^"]+)"', page[: number.start()])
            expected.add((cards[-1] if _in_card(page, number.start()) else "", number[0], f"{int(number[0]) + 1}"))
    found = differences("".join([*forged, page[last:]]), page)
    for card, old, new in expected:
        assert any(each.card == card and old in each.expected and new in each.found for each in found), (card, old)
    assert any(each.where.startswith("chart") for each in found)
    for number in planted[::10]:
        assert differences(f"{page[: number.start()]}{int(number[0]) + 1}{page[number.end() :]}", page)


def _is_shown(page: str, at: int) -> bool:
    head = page[:at].rpartition("<style>")[2]
    return at > page.index("<main") and "</style>" in head


def _in_card(page: str, at: int) -> bool:
    return page.rfind("<figure", 0, at) > page.rfind("</figure>", 0, at)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("<script>", "<script>/* drawn otherwise */", "code of the page"),
        ("</main>", "<p>And 12 % more.</p></main>", "text"),
        ("<h1", "<h1 hidden", "h1 hidden"),
        ("</main>", "<!-- 7 --></main>", "comment"),
    ],
)
def test_whatever_else_is_changed_is_told(shop: tuple[Path, History, str], old: str, new: str, where: str) -> None:
    page = (shop[0] / "report.html").read_text()
    found = differences(page.replace(old, new, 1), page)
    assert found and all(each.where.startswith(where) for each in found)


def test_a_number_is_asked_by_its_receipt(shop: tuple[Path, History, str], again: Again) -> None:
    _, _, run = shop
    verdict = again.number(f"{run}/funnel/1/reached")
    assert verdict.checked == 1 and verdict.differences == ()
    assert again.number(f"{run}/funnel/1/reached={verdict.value}").differences == ()
    (wrong,) = again.number(f"{run}/funnel/1/reached={verdict.value + 1}").differences
    assert (wrong.card, wrong.where) == ("funnel", "row 1, reached")
    assert (wrong.found, wrong.expected) == (str(verdict.value + 1), str(verdict.value))
    assert again.number(run).differences == () == again.number(f"{run}/funnel").differences


def test_a_forged_copy_in_the_lake_is_found(shop: tuple[Path, History, str], again: Again) -> None:
    told = json.loads(json.dumps(again.told))
    (part,) = (part for page in told["pages"] for part in page["parts"] if part["id"] == "funnel")
    part["frame"]["reached"][0] += 10
    forged = replace(again, told=told)
    assert [(each.card, each.where) for each in forged.number(shop[2]).differences] == [("funnel", "reached, row 1")]
    assert "in the lake" in forged.number(f"{shop[2]}/funnel/1/reached").differences[0].found
    content = json.dumps(told).encode()
    assert [(each.card, each.where) for each in again.file(content, "site.json").differences] == [
        ("funnel", "reached, row 1")
    ]
    assert replace(forged, gone=("funnel",)).number(shop[2]).differences == ()


def test_what_cannot_be_computed_again_is_said(
    shop: tuple[Path, History, str], verifier: Verifier, again: Again
) -> None:
    folder, history, run = shop
    with pytest.raises(DefinitionError, match="no such row"):
        again.number(f"{run}/funnel/99/reached")
    with pytest.raises(DefinitionError, match="no column 'reach'"):
        again.number(f"{run}/funnel/1/reach=3")
    with pytest.raises(DefinitionError, match="no card 'funel'"):
        again.number(f"{run}/funel")
    with pytest.raises(DefinitionError, match="no report"):
        verified_number(verifier, "yesterday")
    with pytest.raises(DefinitionError, match="no receipt"):
        verified_number(verifier, f"{run}/funnel/1")
    with pytest.raises(InputError, match="carries no receipt"):
        verified_file(verifier, b"<h1>12</h1>", "page.html")
    with pytest.raises(StorageError, match="was withdrawn"):
        verified_file(verifier, b"<h1>This report was withdrawn</h1>", "page.html")
    with pytest.raises(StorageError, match="was withdrawn"):
        verified_file(verifier, b'{"folder": "runs/a", "withdrawn": "2026-03-01"}', "site.json")
    with pytest.raises(InputError, match="no text"):
        verified_file(verifier, b"\xff\xfe", "page.html")
    other = replace(verifier, settings=SETTINGS.model_copy(update={"window": "5d", "title": "Ours"}))
    with pytest.raises(DefinitionError, match="changed since: window"):
        other.again(run)
    other = replace(verifier, settings=SETTINGS.model_copy(update={"title": "Ours"}))
    with pytest.raises(DefinitionError, match="changed since: words of the report"):
        other.again(run)
    page = (folder / "report.html").read_text()
    receipt = receipt_on(page)
    assert receipt is not None and receipt["file"] == "report.html" and receipt["run"] == run
    with pytest.raises(InputError, match="no page of this report"):
        again.file(page.replace("&#34;report.html&#34;", "&#34;report.htm&#34;").encode(), "report.html")
    with pytest.raises((DefinitionError, StorageError)):
        replace(verifier, lake=Lake(f"{history.lake.address}-none")).again(run)
    assert json.loads((folder / "site.json").read_text())["beside"] != []
