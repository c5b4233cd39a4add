"""Questions are kept by name, whatever the name is; rows are taken along as files that no spreadsheet runs."""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.errors import DefinitionError, InputError, StorageError
from explorer.saved import FILE, MOST, Saved, TakenError
from tests.explorer.shop import HOSTILE, asked, explored, got, written

STATE = {"kind": "funnel", "steps": [{"any": [HOSTILE], "on": "touchpoint", "where": []}]}
NAMES = (HOSTILE, "../../etc/passwd", "=cmd|'/c calc'!A1", "ünï \u202ecode", "{{ name }}", "a\nb")


def body(name: Any, **more: Any) -> bytes:
    return json.dumps({"name": name, "state": STATE, **more}).encode()


def posted(port: int, path: str, content: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    given = {"Content-Type": "application/json", **headers}
    status, _, text = got(port, path, method="POST", body=content, headers=given)
    return status, json.loads(text)


def test_a_question_is_kept_found_replaced_and_deleted(tmp_path: Path) -> None:
    saved = Saved(str(tmp_path / "journeys.toml"))
    assert saved.all() == []
    for name in NAMES:
        saved.keep(body(name, said="12 % go", data_to="4 Apr 2026"))
    again = Saved(str(tmp_path / "journeys.toml"))
    assert [one.state for one in again.all()] == [STATE] * len(NAMES)
    assert {one.name for one in again.all()} == {" ".join(name.replace("\u202e", " ").split()) for name in NAMES}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert len(saved.keep(body(HOSTILE, said="13 % go"))) == len(NAMES)
    assert [one.said for one in again.all() if one.name == HOSTILE] == ["13 % go"]
    assert len(saved.drop(body(HOSTILE))) == len(NAMES) - 1 == len(again.all())
    assert saved.drop(body("nobody")) == again.all()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (body(""), "cannot be saved"),
        (body("\u202e"), "cannot be saved"),
        (body("x" * 121), "cannot be saved"),
        (body(7), "cannot be saved"),
        (json.dumps({"name": "a", "state": {"steps": "x" * 20_000}}).encode(), "cannot be saved"),
        (json.dumps({"name": "a", "state": []}).encode(), "cannot be saved"),
        (b'{"name": "\\ud800", "state": {}}', "no JSON"),
        (b"[" * 40_000, "no JSON"),
    ],
)
def test_what_is_no_question_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(DefinitionError, match=what):
        Saved(str(tmp_path / "journeys.toml")).keep(content)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_ours_is_left_as_it_is(tmp_path: Path) -> None:
    saved = Saved(str(tmp_path / "journeys.toml"))
    for text in ("nothing", '{"questions": 3}', "[]", '{"questions": [{"name": ""}]}'):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(InputError, match="cannot be read"):
            saved.keep(body("mine"))
        assert (tmp_path / FILE).read_text() == text


def test_a_folder_that_cannot_be_written_and_a_full_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        Saved("/proc/journeys.toml").keep(body("mine"))
    rows = [{"name": str(number), "state": {}} for number in range(MOST)]
    (tmp_path / FILE).write_text(json.dumps({"questions": rows}))
    with pytest.raises(DefinitionError, match="not kept"):
        Saved(str(tmp_path / "journeys.toml")).keep(body("one more"))


def test_two_who_save_at_once_lose_nothing(tmp_path: Path) -> None:
    saved = Saved(str(tmp_path / "journeys.toml"))
    threads = [threading.Thread(target=saved.keep, args=(body(f"question {number}"),)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(saved.all()) == 12


def test_two_explorers_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from explorer.saved import Saved\n"
        "here = pathlib.Path(sys.argv[1]); saved = Saved(str(here / 'journeys.toml'))\n"
        "(here / sys.argv[2]).touch()\n"
        "while not ((here / 'a').exists() and (here / 'b').exists()): pass\n"
        'for number in range(30): saved.keep(b\'{"name": "%s %d", "state": {}}\' % (sys.argv[2].encode(), number))'
    )
    explorers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    assert [one.wait(60) for one in explorers] == [0, 0]
    assert len(Saved(str(tmp_path / "journeys.toml")).all()) == 60


def test_what_another_has_saved_is_replaced_only_when_it_was_shown(tmp_path: Path) -> None:
    mine, theirs = (Saved(str(tmp_path / "journeys.toml")) for _ in range(2))
    mine.keep(body("ours", said="12 % go"))
    other = {"kind": "goals"}
    with pytest.raises(TakenError, match="another question") as taken:
        theirs.keep(body("ours", state=other))
    assert taken.value.found == "12 % go" and mine.all()[0].state == STATE
    theirs.keep(body("ours", state=other, **taken.value.instead))
    with pytest.raises(TakenError):
        mine.keep(body("ours", state={"kind": "voice"}, **taken.value.instead))
    with pytest.raises(TakenError):
        mine.drop(body("ours"))
    assert [one.state for one in mine.all()] == [other] and "replaces" not in (tmp_path / FILE).read_text()
    assert theirs.drop(body("ours", state=other)) == []


def test_questions_are_saved_from_the_page_alone(tmp_path: Path) -> None:
    with explored(written(tmp_path, customers=3)) as port:
        assert json.loads(got(port, "/api/questions")[2]) == {"questions": []}
        for headers in ({"Origin": "http://evil.example"}, {"Content-Type": "text/plain"}, {"Host": "evil.example"}):
            status = got(
                port,
                "/api/questions",
                method="POST",
                body=body("mine"),
                headers={"Content-Type": "application/json", **headers},
            )[0]
            assert status in (400, 403, 415)
        status, found = posted(port, "/api/questions", body(HOSTILE))
        assert status == 200 and found["questions"][0]["name"] == HOSTILE
        assert json.loads(got(port, "/api/questions")[2]) == found
        assert posted(port, "/api/questions/drop", body(HOSTILE)) == (200, {"questions": []})
        assert posted(port, "/api/questions", body(""))[0] == 422


@pytest.mark.parametrize(
    "question",
    [
        {"steps": ["Home", "Order"], "by": ["device"]},
        {"kind": "flow", "steps": [json.dumps(HOSTILE)], "count": "journeys"},
        {"kind": "goals"},
        {"kind": "trend", "steps": ["Home", "Order"]},
    ],
)
def test_the_rows_of_an_answer_are_a_file(port: int, question: dict[str, Any]) -> None:
    content = json.dumps(question).encode()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request("POST", "/api/rows.parquet", content, {"Content-Type": "application/json"})
        frame = pl.read_parquet(io.BytesIO(connection.getresponse().read()))
    rows = asked(port, question)[1]["rows"]
    assert len(frame) == len(rows) and frame.columns == list(rows[0])
    status, headers, text = got(
        port, "/api/rows.csv", method="POST", body=content, headers={"Content-Type": "application/json"}
    )
    assert status == 200 and headers["content-type"].startswith("text/csv")
    assert len(pl.read_csv(text.encode(), infer_schema=False)) == len(rows) and "secret-key" not in text


def test_another_form_and_a_wrong_question_are_refused(port: int) -> None:
    assert posted(port, "/api/rows.xlsx", b'{"steps": ["Home"]}')[0] == 422
    assert posted(port, "/api/rows.csv", b'{"steps": ["Hoem"]}')[1]["what"] == "No touch has the touchpoint 'Hoem'."
    assert posted(port, "/api/rows.csv", b"{}", Origin="http://evil.example")[0] == 403
