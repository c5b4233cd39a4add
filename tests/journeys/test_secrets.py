"""No secret of a setting is in any output: not on a terminal, in a log, in a table of the lake, or in the site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import journeys.commands  # noqa: F401 - registers the commands
from expectations.errors import JourneysError
from journeys.app import app

MARK = "s3cr3t"
ENVIRONMENT = {
    "JOURNEYS_INGEST__SECURITY__PASSWORD": f"{MARK}-sasl",
    "JOURNEYS_INGEST__SECURITY__KEY_PASSWORD": f"{MARK}-key",
    "JOURNEYS_INGEST__SCHEMAS__PASSWORD": f"{MARK}-registry",
    "JOURNEYS_PATHS__IDENTITIES__SALT": f"{MARK}-salt-of-16-letters",
    "AWS_ACCESS_KEY_ID": f"{MARK}-id",
    "AWS_SECRET_ACCESS_KEY": f"{MARK}-aws",
    "AZURE_STORAGE_ACCOUNT_KEY": f"{MARK}azure",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ALLOW_HTTP": "true",
    "AWS_REGION": "eu-central-1",
}
CONFIG = """
[ingest]
brokers = ["127.0.0.1:9"]
connect_timeout = "1s"
[ingest.security]
protocol = "SASL_PLAINTEXT"
mechanism = "PLAIN"
username = "ann"
[ingest.schemas]
address = "http://127.0.0.1:9"
username = "ann"
timeout = "1s"
[[ingest.streams]]
topic = "clicks"
kind = "clickstream"
channel = "web"
[paths]
goal = ["pay"]
"""
VERBS = (
    *("doctor", "load --kind clickstream clicks.ndjson", "stitch", "check", "report", "status", "funnel", "paths"),
    *(
        "touchpoints",
        "quarantine list",
        "quarantine replay",
        "maintain",
        "export customer anonymous_id:u1 --to u1.jsonl",
    ),
    "ingest --until-caught-up --log json",
)
WRONG = {
    "lake": f'[lake]\naddress = "s3://{MARK}:{MARK}@shop/lake"\n',
    "lake with a signature": f'[lake]\naddress = "az://shop/lake?sig={MARK}"\n',
    "lake in a store": '[lake]\naddress = "s3://shop/lake"\n',
    "site": f'[report]\nsite = "s3://{MARK}:{MARK}@shop/site"\n',
    "broker": f'[ingest]\nbrokers = ["SASL_SSL://ann:{MARK}@127.0.0.1:9"]\n',
    "registry": f'[ingest.schemas]\naddress = "http://ann:{MARK}@127.0.0.1:9"\n',
    "registry and token": f'[ingest.schemas]\naddress = "http://127.0.0.1:9"\ntoken = "{MARK}"\npassword = "{MARK}"\n',
    "password of another type": f'[ingest.security]\npassword = ["{MARK}"]\n',
    "short salt": f'[paths.identities]\nsalt = "{MARK}"\n',
    "security as text": f'[ingest]\nsecurity = "ann:{MARK}"\n',
    "unknown key": f'[ingest.security]\npasword = "{MARK}"\n',
}


def run(arguments: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "journeys", *arguments.split()],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr and done.returncode != 70, done.stderr
    return done.stdout + done.stderr


def events() -> str:
    begin = datetime(2026, 5, 1, tzinfo=UTC)
    return "".join(
        json.dumps(
            {
                "event_id": f"{number}-{step}",
                "event_name": name,
                "anonymous_id": f"u{number}",
                "occurred_at": (begin + timedelta(hours=number, minutes=step)).isoformat(),
            }
        )
        + "\n"
        for number in range(40)
        for step, name in enumerate(("visit", "pay"))
    )


def test_no_secret_is_in_any_output_of_any_verb(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "clicks.ndjson").write_text(events() + "{\n", encoding="utf-8")
    for verb in VERBS:
        said = run(verb, tmp_path, **ENVIRONMENT)
        assert said.strip() and MARK not in said, verb
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 30
    assert not [file for file in files if MARK.encode() in file.read_bytes()]


def said_by(arguments: list[str]) -> str:
    """What a command prints and the error it ends with, in this process."""
    done = CliRunner().invoke(app, arguments)
    assert done.exception is None or isinstance(done.exception, JourneysError | SystemExit), done.exception
    return f"{done.output}{done.stderr}{done.exception or ''}"


@pytest.mark.parametrize("wrong", WRONG)
def test_no_secret_is_in_the_errors_about_settings(tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = '[[ingest.streams]]\ntopic = "clicks"\nkind = "clickstream"\n'
    (tmp_path / "journeys.toml").write_text(WRONG[wrong] + streams, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in (ENVIRONMENT if "store" in wrong else {}).items():
        monkeypatch.setenv(name, value)
    for verb in ("doctor", "report"):
        said = said_by([verb])
        assert said.strip() and MARK not in said, (verb, said)
    assert MARK not in str(list(tmp_path.rglob("*")))


def test_no_secret_is_in_the_errors_about_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journeys.toml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["load", "--kind", "order", f"s3://{MARK}:{MARK}@shop/orders.csv"],
        ["load", "--kind", "order", f"s3://shop/orders.csv?X-Amz-Signature={MARK}"],
        ["report", "--site", f"s3://{MARK}:{MARK}@shop/site"],
    ):
        said = said_by(arguments)
        assert said.strip() and MARK not in said, said
