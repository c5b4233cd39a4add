"""Alerts are told once when they open and once when they close, to a command and as files, and again if that failed."""

from __future__ import annotations

import email
import json
import sys
from datetime import UTC, datetime
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from expectations.errors import ConfigurationError, ReportError
from journeys.reported.alerts import send_alerts
from journeys.settings import Settings

TELL = "import sys; open('told.ndjson', 'a').write(sys.stdin.read())"


def settings(folder: Path, *lines: str) -> Settings:
    (folder / "journeys.toml").write_text("\n".join(['[lake]\naddress = "lake"', "[watch]", *lines]))
    return Settings(folder / "journeys.toml")


def alert(name: str, status: str = "open", sentence: str = "“Cart” → “Paid”:\nfew") -> dict[str, Any]:
    since = datetime(2026, 3, 10, tzinfo=UTC)
    return {"alert": name, "status": status, "since": since, "sentence": sentence, "rose_with": "", "owner": None}


def told(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "told.ndjson").read_text().splitlines()
    return [(row["alert"], row["status"]) for row in map(json.loads, lines)]


def test_an_alert_is_told_when_it_opens_and_when_it_closes(tmp_path: Path) -> None:
    asked = settings(tmp_path, f"command = {json.dumps([sys.executable, '-c', TELL])}")
    old = alert("old", "closed")
    assert send_alerts(asked, [old, alert("a"), alert('b/"<&')]) == 2
    assert send_alerts(asked, [old, alert("a"), alert('b/"<&')]) == 0
    assert send_alerts(asked, [old, alert("a", "closed"), alert('b/"<&')]) == 1
    assert send_alerts(asked, [alert("a", "closed")]) == send_alerts(asked, []) == 0
    assert told(tmp_path) == [("a", "open"), ('b/"<&', "open"), ("a", "closed")]
    assert json.loads((tmp_path / "told.ndjson").read_text().splitlines()[0])["since"] == "2026-03-10T00:00:00+00:00"


def test_files_are_for_chat_and_mail(tmp_path: Path) -> None:
    row = alert("a", sentence="“Cart”:\r\nBcc: x@example.org") | {"rose_with": "Errors rose", "owner": "Mara"}
    assert send_alerts(settings(tmp_path, 'files = "alerts"'), [row]) == 1
    chat, mail = sorted((tmp_path / "alerts").iterdir(), reverse=True)
    assert json.loads(chat.read_text()) == {"text": "New alert: “Cart”: Bcc: x@example.org"}
    read = email.message_from_bytes(mail.read_bytes(), policy=default)
    assert read["Subject"] == "New alert: “Cart”: Bcc: x@example.org" and read["Bcc"] is None
    body = read.get_body()
    assert body is not None and body.get_content().split("\n\n")[1:] == ["Errors rose", "Owner: Mara\n"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "-c", "import sys; sys.exit('no network')"], "(?s)line 4.*exit code 1: no network"),
        (["./notify.sh"], r"(?s)cannot be run.*notify.sh"),
    ],
)
def test_a_command_that_fails_is_told_and_run_again(tmp_path: Path, command: list[str], words: str) -> None:
    with pytest.raises(ReportError, match=words):
        send_alerts(settings(tmp_path, f"command = {json.dumps(command)}"), [alert("a")])
    again = settings(tmp_path, f"command = {json.dumps([sys.executable, '-c', TELL])}")
    assert send_alerts(again, [alert("a")]) == 1


def test_files_of_a_store_and_unknown_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="s3://"):
        send_alerts(settings(tmp_path, 'files = "s3://bucket/alerts"'), [alert("a")])
    with pytest.raises(ConfigurationError, match="unknown key"):
        send_alerts(settings(tmp_path, 'comand = ["x"]'), [alert("a")])
