"""`[watch]` of journeys.toml: alerts that are new, or closed, to a command as JSON and as files for chat and mail.

Each is told once: the lake keeps which alerts were told, and as what.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expectations.errors import ConfigurationError, ReportError
from journeys.reported.own_command import run_own

if TYPE_CHECKING:
    from journeys.settings import Settings

SENT: Final = "alerts_sent.json"
"""The file of the lake with the status as which each alert was last told."""
REACH: Final = "400d"
"""Alerts that opened longer ago are told no more."""
Row = dict[str, Any]


def send_alerts(settings: Settings, rows: Sequence[Row]) -> int:
    """Tells the alerts of `journeys watch` that are open and new, and those told before that closed; how many.

    What was told is noted alert by alert. Raises `ReportError` where the command fails: the alert is told again the
    next time.
    """
    from expectations.lake import files

    address = settings.lake.table(SENT)
    known: dict[str, str] = json.loads(files.read(address) or b"{}")
    sent = {row["alert"]: known[row["alert"]] for row in rows if row["alert"] in known}
    new = [row for row in rows if sent.get(row["alert"], "closed") != row["status"]]
    for row in new:
        if settings.watch.files is not None:
            _write(settings, settings.watch.files, row)
        if settings.watch.command:
            run_own(settings, "watch", (alert_as_json(row) + "\n").encode())
        sent[row["alert"]] = row["status"]
        files.write(address, json.dumps(sent, indent=1, sort_keys=True).encode())
    return len(new)


def alert_as_json(row: Row) -> str:
    """An alert in a line of JSON; times in ISO 8601."""
    return json.dumps(row, default=lambda value: value.isoformat() if isinstance(value, datetime) else str(value))


def _write(settings: Settings, folder: str, row: Row) -> None:
    """Writes an alert for chat (`{"text": ...}`, as webhooks take it) and for mail (a draft), one file each."""
    if "://" in folder:
        where = settings.place("watch", "files")
        raise ConfigurationError("Alerts are written to a folder.", where=where, expected="a folder", found=folder)
    title = f"{'New alert' if row['status'] == 'open' else 'Closed'}: {' '.join(row['sentence'].split())}"
    mail = EmailMessage()
    mail["Subject"], mail["X-Unsent"] = title, "1"
    mail.set_content(
        "\n\n".join(filter(None, [title + ".", row["rose_with"], row["owner"] and f"Owner: {row['owner']}"]))
    )
    name = f"{row['since']:%Y-%m-%d}-{sha256(row['alert'].encode()).hexdigest()[:8]}-{row['status']}"
    place = Path(settings.beside(folder))
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.json").write_text(json.dumps({"text": title}) + "\n", encoding="utf-8")
        (place / f"{name}.eml").write_bytes(mail.as_bytes())
    except OSError as error:
        raise ReportError("An alert cannot be written.", where=str(place), found=error.strerror or str(error)) from None
