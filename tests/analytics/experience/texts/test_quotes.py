from __future__ import annotations

from pathlib import Path

import pytest

from analytics import Paths, Theme, approved_ids, quotes
from expectations.errors import InputError

BOOK = [Theme(name="Slow", any=["slow"]), Theme(name="Pay", any=["pay"])]


def shop(*texts: str) -> Paths:
    return Paths.from_text({f"c{n}": f"tell@{n}m[feedback_text={text}]" for n, text in enumerate(texts)})


def test_the_commonest_come_first_and_a_text_of_two_themes_has_two_rows() -> None:
    found = quotes(shop("slow to pay", "slow", "slow", "fine"), BOOK)
    rows = [("Slow", "slow", 2, 3), ("Slow", "slow to pay", 1, 3), ("Pay", "slow to pay", 1, 1)]
    assert found.select("theme", "quote", "responses", "customers").rows() == rows
    assert found["id"][1] == found["id"][2] != found["id"][0]


def test_only_those_of_an_id_and_another_text_has_another() -> None:
    known = quotes(shop("slow page"), BOOK)["id"][0]
    assert quotes(shop("slow page", "slow"), BOOK, only=[known])["quote"].to_list() == ["slow page"]
    assert quotes(shop("slow page!", "Slow page"), BOOK, only=[known]).is_empty()
    assert quotes(shop("slow page"), BOOK, only=[known[:8] + "0" * 8]).is_empty()
    assert quotes(shop("slow page"), BOOK, only=[]).is_empty()


def test_a_redaction_that_leaves_other_words_loses_the_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    known = quotes(shop("slow Ann"), BOOK)["id"][0]
    monkeypatch.setattr("analytics.experience.texts.quotes.redact", lambda text: text.replace("Ann", "[name]"))
    assert quotes(shop("slow Ann"), BOOK, only=[known]).is_empty()


def test_a_long_text_is_no_quote_and_counts_for_its_theme() -> None:
    found = quotes(shop("slow " + "x" * 280, "slow"), BOOK)
    assert found.select("quote", "customers").rows() == [("slow", 2)]


def test_no_touches_and_no_codebook_give_no_quotes() -> None:
    assert quotes(shop("slow"), []).is_empty() and quotes(shop("a"), BOOK).is_empty()


def test_the_file_of_approvals(tmp_path: Path) -> None:
    file = tmp_path / "quotes.txt"
    assert approved_ids(file) == []
    file.write_text("# approved by Mara\n\n0123456789abcdef  Slow\n0123456789abcdef\nfedcba9876543210\n")
    assert approved_ids(file) == ["0123456789abcdef", "fedcba9876543210"]
    file.write_text("\nnothing here\n")
    with pytest.raises(InputError) as caught:
        approved_ids(file)
    assert caught.value.where == f"{file}, line 2" and caught.value.found == "nothing"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        approved_ids(file)
