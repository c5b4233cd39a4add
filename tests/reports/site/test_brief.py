"""The brief is small, has no script, and every number and sentence of it stands on the site."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import vl_convert
from PIL import Image

from expectations.errors import StorageError
from reports.charts.theme import VEGA_LITE
from reports.pages.targets import targets_card
from reports.settings import ReportSettings
from reports.site import brief
from reports.site.brief import ASKED, MAX_BYTES, as_html, as_text, brief_of, packed_png
from reports.site.publish import newest_brief
from reports.site.site import build_site
from tests.reports import fixtures
from tests.reports.pages.test_targets import HOSTILE, SETTINGS, answers_for, journey, shop

NUMBER = r"\d[\d,.]*"


class Texts(HTMLParser):
    """The texts of a page, one per element; scripts and styles left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.append(tag)
        self.found.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self.found.append("")

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["style"], ["script"]):
            self.found[-1:] = ["".join([*self.found[-1:], data])]


def texts_of(page: bytes) -> set[str]:
    reader = Texts()
    reader.feed(page.decode())
    return {" ".join(text.split()) for text in reader.found} - {""}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    answers = answers_for(shop(100, 60), journey(), by=("device",))
    return build_site(answers, replace_pages(SETTINGS), fixtures.BUILT_AT, "runs/x").files


def replace_pages(settings: ReportSettings) -> ReportSettings:
    """The settings with the pages that the brief is made of."""
    return settings.model_copy(update={"pages": ("summary", "change")})


def test_the_brief_has_no_script_and_is_small(files: dict[str, bytes]) -> None:
    page = files["brief.html"]
    assert len(page) < MAX_BYTES
    assert not re.search(rb"<script|<link|https?://|onload|javascript:", page)
    assert b"default-src 'none'" in page and page.count(b"<img") >= 1


def test_every_number_and_text_stands_on_the_site(files: dict[str, bytes]) -> None:
    site = texts_of(files["index.html"]) | texts_of(files["change.html"])
    own = {asked.name for asked in ASKED}
    said = texts_of(files["brief.html"]) - own
    unknown = {text for text in said if text not in site and not re.fullmatch(r"and \d+ more on the site", text)}
    content = json.loads(" ".join(files["brief.json"].decode().split()))
    about = {f"{content['title']}: brief", content["title"], f"· {content['period']}", content["foot"]}
    assert {text for text in unknown - about if re.search(NUMBER, text)} == set()
    assert content["headline"] in site and [s["name"] for s in content["sections"]][-1] == "Targets"
    for section in content["sections"]:
        assert section["title"] in site
        assert all(cell in site for row in section["rows"] for cell in row if re.search(NUMBER, cell))


def test_a_picture_is_packed_without_a_change() -> None:
    card = targets_card(answers_for(shop(), journey()), SETTINGS)
    assert card is not None and card.spec is not None
    drawn = vl_convert.vegalite_to_png(card.spec, vl_version=VEGA_LITE)
    packed = packed_png(drawn)
    assert len(packed) < 0.7 * len(drawn) and packed_png(packed) == packed
    pixels = [Image.open(io.BytesIO(png)).tobytes() for png in (drawn, packed)]
    assert pixels[0] == pixels[1]


def test_the_text_says_what_the_page_says(files: dict[str, bytes]) -> None:
    content = json.loads(files["brief.json"])
    text = as_text(content)
    assert text.startswith(content["headline"])
    assert all(cell in text for section in content["sections"] for row in section["rows"] for cell in row)


def test_hostile_and_long_texts_are_text_and_leave_it_small() -> None:
    asked = [journey(f"{HOSTILE} {number}", owner=HOSTILE * 400) for number in range(4)]
    pages = build_site(answers_for(shop(), *asked), replace_pages(SETTINGS), fixtures.BUILT_AT, "runs/x").pages
    page = as_html(brief_of(pages, HOSTILE, "", ""))
    assert len(page) < MAX_BYTES and b"<b onclick" not in page and b"</script>" not in page


def test_a_site_without_a_brief_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no brief"):
        newest_brief(str(tmp_path))
    index = {"folder": "runs/x", "title": "Shop"}
    (tmp_path / "runs" / "x").mkdir(parents=True)
    (tmp_path / "site.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(StorageError, match="no brief") as error:
        newest_brief(str(tmp_path))
    assert error.value.found == "a report without a brief"
    for name, content in ((brief.HTML, "page"), (brief.JSON, '{"headline": "a"}')):
        (tmp_path / "runs" / "x" / name).write_text(content, encoding="utf-8")
    assert newest_brief(f"{tmp_path}/") == (b"page", {"headline": "a"})
    (tmp_path / "site.json").write_text(json.dumps(index | {"withdrawn": "2026-01-01"}), encoding="utf-8")
    with pytest.raises(StorageError, match="no brief"):
        newest_brief(str(tmp_path))


def test_a_report_without_cards_has_its_headline_alone() -> None:
    answers = replace(fixtures.answers(), problems=None, incidents=None)
    pages = build_site(answers, replace_pages(SETTINGS), fixtures.BUILT_AT, "runs/x").pages
    found = brief_of(pages, "Shop", "", "")
    assert "Targets" not in [section.name for section in found.sections] and found.headline
