"""Behind a proxy the explorer answers whom the proxy names, at its address, in tens; and says who asked what."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from explorer.proxy.gate import LONGEST
from explorer.proxy.settings import ExploreSettings
from tests.explorer.shop import HOSTILE, QUOTED, asked, explored, got

ADDRESS = "https://explore.example.com"
ASKED = {"steps": ["Home", "Order"], "window": "7d"}
HEADERS = {"Host": "explore.example.com", "X-Forwarded-User": "mara@example.com"}


@pytest.fixture(scope="module")
def behind(config: Path) -> Iterator[int]:
    proxy = ExploreSettings(address=ADDRESS, user_header="X-Forwarded-User", proxies=("127.0.0.1",))
    with explored(config, proxy) as number:
        yield number


def through(port: int, question: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    named = {"Host": HEADERS["Host"], "X_Forwarded_User": HEADERS["X-Forwarded-User"]}
    return asked(port, question, **named | headers)


def test_whom_the_proxy_names_is_answered(behind: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert got(behind, "/", headers=HEADERS)[0] == 200
    status, found = through(behind, ASKED, Origin=ADDRESS)
    assert status == 200 and "Order" in found["said"]
    line = json.loads(capfd.readouterr().err.strip().splitlines()[-1])
    assert (line["reader"], line["status"]) == ("mara@example.com", 200)
    assert line["asked"] == {"steps": ["Home", "Order"], "window": "P7D"}


@pytest.mark.parametrize(
    "name",
    ["", " ", "a" * (LONGEST + 1), "mara, bo", "ma\x1b[31mra", "ma\tra"],
    ids=["none", "blank", "long", "two", "escape", "tab"],
)
def test_nobody_is_refused(behind: int, name: str) -> None:
    headers = HEADERS | {"X-Forwarded-User": name}
    for path in ("/", "/api/vocabulary"):
        assert got(behind, path, headers=headers)[0] in (400, 403)
    assert through(behind, ASKED, X_Forwarded_User=name)[0] in (400, 403)


def test_two_names_and_no_name_are_refused(behind: int) -> None:
    assert got(behind, "/", headers={"Host": HEADERS["Host"]})[0] == 403
    with closing(http.client.HTTPConnection("127.0.0.1", behind, timeout=60)) as connection:
        connection.putrequest("GET", "/api/vocabulary", skip_host=True)
        for name, value in [*HEADERS.items(), ("x-forwarded-user", "admin")]:
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 403


def test_another_address_is_no_proxy(config: Path) -> None:
    proxy = ExploreSettings(address=ADDRESS, user_header="X-Forwarded-User", proxies=("10.0.0.0/8", "::1"))
    with explored(config, proxy) as port:
        forged = HEADERS | {"X-Forwarded-For": "10.0.0.7", "Forwarded": "for=10.0.0.7", "X-Real-IP": "10.0.0.7"}
        for path in ("/", "/api/vocabulary"):
            status, _, text = got(port, path, headers=forged)
            assert (status, text) == (403, "Ask through the proxy.")
        assert through(port, ASKED)[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost", "explore.example.com.evil.example", ""])
def test_another_host_is_refused(behind: int, host: str) -> None:
    assert got(behind, "/", headers=HEADERS | {"Host": host})[0] == 400
    forged = HEADERS | {"Host": host, "X-Forwarded-Host": "explore.example.com"}
    assert got(behind, "/api/vocabulary", headers=forged)[0] == 400


def test_questions_come_from_the_page_of_the_proxy_alone(behind: int) -> None:
    for origin in ("https://evil.example", "http://explore.example.com", f"{ADDRESS}:8443", "null", f"{ADDRESS}."):
        assert through(behind, ASKED, Origin=origin)[0] == 403
    assert through(behind, ASKED, Origin=f"http://127.0.0.1:{behind}", X_Forwarded_Proto="http")[0] == 403
    assert through(behind, ASKED, Content_Type="text/plain")[0] == 415


def numbers(value: Any) -> Iterator[int]:
    """All whole numbers of an answer, also as text."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in ("step", "milliseconds", "clear", "few", "least", "k", "hidden"):
                yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value
    elif isinstance(value, str) and value.replace(",", "").isdecimal():
        yield int(value.replace(",", ""))


@pytest.mark.parametrize("by", [[], ["device"], ["segment:On a phone"]])
@pytest.mark.parametrize("kind", ["funnel", "trend"])
def test_every_count_is_in_tens_and_adds_up(behind: int, port: int, by: list[str], kind: str) -> None:
    question = {"kind": kind, "steps": ["Home", "Cart", "Order"], "window": "7d", "by": by}
    status, found = through(behind, question)
    assert status == 200, found
    assert [number for number in numbers(found) if number % 10] == []
    left = found["left_out"]
    lost = sum(row["count"] for row in left if row["kind"] in ("out", "open"))
    assert left[0]["count"] - lost == left[-1]["count"] and all(row["count"] >= 0 for row in left)
    exact = asked(port, question)[1]
    assert {number % 10 for number in numbers(exact)} != {0}
    assert list(found["elsewhere"]) == ["toml"] and "lake" not in json.dumps(found["elsewhere"])


def test_fewer_than_k_is_never_shown_as_none(behind: int) -> None:
    question = {"steps": ["Home", "Cart", "Order", "Search"], "window": "7d", "by": ["device"]}
    found = through(behind, question)[1]
    last, row = found["steps"][-1], found["rows"][3]
    assert last["reached"] == "<10" and last["of_entered"] == "–" and last["low"] is None
    assert row["reached"] is None and row["share_of_entered"] is None
    assert found["said"].startswith("Fewer than 10 of ") and len(found["groups"]["rows"]) > 2
    for group in found["groups"]["rows"]:
        assert (group["reached"], group["of_entered"], group["difference"]) == ("<10", "–", "–")
    trend = through(behind, {**question, "kind": "trend", "by": []})[1]
    assert trend["said"].startswith("Fewer than 10 of ")


def test_the_vocabulary_is_in_tens_and_has_what_can_be_asked(behind: int) -> None:
    known = json.loads(got(behind, "/api/vocabulary", headers=HEADERS)[2])
    assert [
        number
        for number in numbers({key: known[key] for key in ("words", "columns", "customers", "touches")})
        if number % 10
    ] == []
    assert [column["column"] for column in known["columns"]] == ["device", "country"]
    assert list(known["kinds"]) == ["funnel", "trend"] and known["shared"]


def test_nothing_is_saved_behind_a_proxy(behind: int, config: Path) -> None:
    saved = json.dumps({"name": "mine", "state": {}}).encode()
    json_headers = HEADERS | {"Content-Type": "application/json"}
    for path in ("/api/questions", "/api/questions/drop"):
        assert got(behind, path, method="POST", body=saved, headers=json_headers)[0] == 404
        assert got(behind, path, headers=HEADERS)[0] == 404
    assert not (config.parent / "questions.json").exists()


def test_rows_of_a_file_are_in_tens(behind: int) -> None:
    headers = HEADERS | {"Content-Type": "application/json", "Origin": ADDRESS}
    body = json.dumps({**ASKED, "by": ["device"]}).encode()
    status, _, text = got(behind, "/api/rows.csv", method="POST", body=body, headers=headers)
    names, *rows = (line.split(",") for line in text.lstrip("\ufeff").splitlines())
    places = [names.index(name) for name in ("entered", "reached", "dropped", "open")]
    assert status == 200 and not [row for row in rows if any(int(row[-len(names) + at] or 10) % 10 for at in places)]


def test_hostile_names_are_only_names(behind: int) -> None:
    status, found = through(behind, {"steps": [json.dumps(HOSTILE), json.dumps(QUOTED)], "window": "7d"})
    assert status == 200 and found["steps"][0]["name"].startswith(HOSTILE[:20])


def test_a_store_that_is_missing_is_said_without_its_path(config: Path, tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(config.read_text())
    proxy = ExploreSettings(address=ADDRESS, user_header="X-Forwarded-User", proxies=("127.0.0.1",))
    with explored(tmp_path / "journeys.toml", proxy) as port:
        status, found = through(port, ASKED)
        assert status == 503 and str(tmp_path) not in json.dumps(found) and found["do"]
