"""Which promises of docs/security.md hold under attack? Counts how many attacks were tried, and how many held.

    python benchmarks/promises.py [--only records secrets ...] [--times 1]

Every row attacks the command line of this installation in a folder of its own. `--times` repeats what is random: kills,
overlaps, invalid settings. Prints each attack that did not hold, and ends with exit code 1 if there is one. Takes about
ten minutes of one processor.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

Held = tuple[str, bool]
"""An attack in words, and whether the promise held."""
MARK: Final = "s3cr3t"
CODES: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130})
"""The exit codes of a command that has not crashed."""
CONFIG: Final = """
[ingest]
brokers = ["127.0.0.1:9"]
connect_timeout = "1s"
[[ingest.streams]]
topic = "clicks"
kind = "clickstream"
channel = "web"
[paths]
goal = ["pay"]
[[paths.stages]]
name = "Look"
touchpoints = ["visit"]
[[paths.stages]]
name = "Buy"
touchpoints = ["pay"]
"""
BEGIN: Final = datetime(2026, 3, 1, tzinfo=UTC)
LIMIT: Final = 4 << 30
"""Bytes of memory that one command may ask for."""


class Command:
    """The command line in a folder, as a user without rights beyond it runs it."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "journeys.toml").write_text(config, encoding="utf-8")

    def start(self, *arguments: str, before: str = "", **environment: str) -> subprocess.Popen[bytes]:
        program = f"import sys; sys.argv = ['journeys', *{arguments!r}]\n{before}\nfrom journeys import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env={**os.environ, **environment},
        )

    def run(self, *arguments: str, before: str = "", seconds: float = 240, **environment: str) -> tuple[int, str]:
        """The exit code, and all that was printed; -1 for a command that did not end in time."""
        running = self.start(*arguments, before=before, **environment)
        try:
            out, err = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            return -1, ""
        return running.returncode, (out + err).decode(errors="replace")

    def is_sound(self, *arguments: str, codes: frozenset[int] = CODES, **options: Any) -> bool:
        """Whether a command ends with words and a documented code."""
        code, said = self.run(*arguments, **options)
        return code in codes and "Traceback" not in said

    def counts(self) -> dict[str, int]:
        """Rows of each table, as `journeys status` prints them."""
        code, said = self.run("status", "--json")
        rows = json.loads(said[said.index("[") : said.rindex("]") + 1]) if code == 0 else []
        return {row["table"]: row["rows"] or 0 for row in rows if row.get("table")}


def event(number: int, name: str, minutes: int = 0, **fields: object) -> str:
    """A line of a file with an event of a visitor."""
    at = (BEGIN + timedelta(minutes=37 * number + minutes)).isoformat()
    made = {"event_id": f"{number}-{name}-{minutes}", "event_name": name, "occurred_at": at}
    return json.dumps({**made, "anonymous_id": f"u{number}", **fields}) + "\n"


def events(count: int, **fields: object) -> str:
    """Visitors of whom every third buys."""
    rows = ((event(n, "visit", **fields), event(n, "pay", 5, **fields) if n % 3 == 0 else "") for n in range(count))
    return "".join(row for both in rows for row in both)


def load(shop: Command, text: str | bytes, name: str = "clicks.ndjson") -> tuple[int, str]:
    (shop.folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return shop.run("load", "--kind", "clickstream", name)


def records(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """No record is lost, stops the work, or is believed: it lands, or is kept with the reason."""
    good = json.loads(event(1, "visit"))
    deep = "[" * 3_000 + "]" * 3_000
    values = [
        10**400,
        -1,
        1e308,
        "9" * 10_000,
        None,
        [],
        {},
        True,
        "\ud800",
        "\x00",
        "",
        "x" * 70_000,
        "2026-13-01",
        deep,
    ]
    fields = (
        "event_id",
        "event_name",
        "occurred_at",
        "anonymous_id",
        "score",
        "properties",
        "identities",
        "received_at",
    )
    lines = [json.dumps(good | {"event_id": f"{n} {f}", f: v}).encode() for f in fields for n, v in enumerate(values)]
    lines += [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'"x"',
        deep.encode(),
        b'{"a":' + deep.encode() + b"}",
        b"\x00",
        b"NaN",
    ]
    lines += [b'{"event_name": "visit", "event_name": "pay"}', b"{" * 2_000, b'{"score": 1e999999999}', b"9" * 6_000]
    shop = Command(folder)
    code, said = load(shop, b"\n".join(lines))
    found = shop.counts()
    kept = found.get("events", 0) + found.get("quarantine", 0)
    for number, line in enumerate(lines):
        yield f"record {line[:60]!r}: {kept} of {len(lines)} kept, {said[-200:]}", code in CODES and number < kept


def files(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """A file that lies about itself ends in words, within bounds of time and memory."""
    shop, limit = Command(folder), f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT}))"
    (folder / "good.parquet").parent.mkdir(exist_ok=True)
    pl.DataFrame({"event_name": ["visit"] * 1_000, "anonymous_id": ["u"] * 1_000}).write_parquet(
        folder / "good.parquet"
    )
    good = (folder / "good.parquet").read_bytes()
    made = {
        "bomb.ndjson.gz": gzip.compress(b"\0" * (1 << 30), 1),
        "cut.ndjson.gz": gzip.compress(events(50).encode())[:-20],
        "not.ndjson.gz": b"plain text",
        "line.ndjson": b"x" * (64 << 20),
        "cut.parquet": good[:-100],
        "footer.parquet": good[:-8] + b"\xff\xff\xff\x7fPAR1",
        "noise.parquet": b"PAR1" + os.urandom(5_000) + b"PAR1",
        "noise.csv": os.urandom(100_000),
        "quotes.csv": b'event_name,anonymous_id\n"' + b"x" * 1_000_000,
        "wide.csv": b",".join(b"c%d" % n for n in range(20_000)) + b"\n",
        "empty.csv": b"",
        "empty.parquet": b"",
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
        yield f"file {name}", shop.is_sound("load", "--kind", "clickstream", name, before=limit, seconds=120)
    (folder / "loop").symlink_to(folder / "loop")
    for name in ("loop", "absent.csv", "/dev/null", "."):
        yield f"file {name}", shop.is_sound("load", "--kind", "clickstream", name, before=limit, seconds=120)


def keys(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """Identities that a client makes up join no people, and names that it makes up are no nodes of ours."""
    shop = Command(folder)
    links = [{"device_id": f"d{n // 2}", "customer_id": f"c{(n + 1) // 2}"} for n in range(399)]
    chain = [event(n, "visit", identities=link) for n, link in enumerate(links)]
    kinds = [event(n, "pay", 9, identities={f"kind{n}": "same"}) for n in range(300)]
    names = ["START", "END_open", "other", "constructor", "__proto__", "NaN", "null", "\u202eback", "=1+1", "x" * 300]
    named = [event(n, name, 3) for name in names for n in range(12)]
    yield "load", load(shop, "".join([*chain, *kinds, *named]))[0] == 0
    code, said = shop.run("stitch")
    yield f"stitch: {said[-300:]}", code == 0
    code, said = shop.run("identity", "why", "customer_id:c0", "customer_id:c199", seconds=120)
    yield (
        "a chain of devices joins 200 logins",
        code == 0 and "are two customers" in said,
    )
    before = shop.counts().get("events")
    shop.run("forget", "customer_id:c0", "--yes")
    after = shop.counts().get("events")
    yield (
        f"forget of one removes {before} less {after}",
        before is not None and after is not None and before - after < 30,
    )
    _, said = shop.run("paths", "--csv", "--top", "50")
    yield "a formula in a CSV", "\n=1+1" not in said and "\u202e" not in said
    yield "nodes", shop.is_sound("paths", "--from", "START", codes=frozenset({0}))


def configuration(folder: Path, drawn: random.Random, times: int) -> Iterator[Held]:
    """A setting or a suite is data: it is refused with its place, or means what it says. None is run."""
    from expectations.compile.compile import compile_own
    from expectations.errors import JourneysError
    from expectations.suites.file import read_suite
    from journeys.settings import Settings, template
    from tests.expectations.compile.test_text import ATTACKS

    folder.mkdir(parents=True, exist_ok=True)
    marker, suite, config = folder / "ran", folder / "suite.json", folder / "journeys.toml"

    def refused(attempt: Callable[[], object]) -> bool:
        try:
            attempt()
        except JourneysError:
            return True
        return False

    for attack in ATTACKS:
        kwargs = {
            "column": "event_name",
            "condition_parser": "pandas",
            "row_condition": attack.replace("{marker}", str(marker)),
        }
        asked = {"type": "expect_column_values_to_not_be_null", "kwargs": kwargs}
        suite.write_text(json.dumps({"expectations": [asked]}), encoding="utf-8")
        yield f"condition {attack[:60]}", refused(lambda: compile_own([read_suite(suite)])) and not marker.exists()
    for reference in ("http://127.0.0.1:9/x", "file:///etc/passwd", "../x.json", "//127.0.0.1/x"):
        kwargs = {"column": "properties", "json_schema": {"properties": {"a": {"$ref": reference}}}}
        asked = {"type": "expect_column_values_to_match_json_schema", "kwargs": kwargs}
        suite.write_text(json.dumps({"expectations": [asked]}), encoding="utf-8")
        yield f"reference {reference}", refused(lambda: compile_own([read_suite(suite)]))
    lines = template("shop").splitlines()
    settings = [number for number, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    wrong = ("-1", '""', "[]", "{}", "true", "1e400", '"\\u0000"', '"' + "x" * 9_999 + '"', "2026-01-01", '[["a"]]')
    for _ in range(100 * times):
        number, value = drawn.choice(settings), drawn.choice(wrong)
        changed = [*lines[:number], f"{lines[number].partition('=')[0]}= {value}", *lines[number + 1 :]]
        config.write_text("\n".join(changed), encoding="utf-8")
        yield f"setting {changed[number][:60]}", _opens(lambda: Settings(config), JourneysError)


def _opens(opened: Callable[[], Any], refused: type[Exception]) -> bool:
    try:
        found = opened()
        for section in ("lake", "ingest", "expectations", "paths", "funnels", "report", "compiled"):
            getattr(found, section)
    except refused:
        return True
    except Exception as error:  # noqa: BLE001 - this is what is counted
        print("   ", type(error).__name__, str(error)[:100])
        return False
    return True


WORDS: Final = (b"erased-person", b"Rosalind Unique", b"Rare name")
"""What only the person of `erasure` has."""


def erasure(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """A forgotten person is in no file of the lake and the site, and two kept reports do not differ by this person."""
    shop = Command(folder)
    one = "".join(event(390, name, n, person="Rosalind Unique") for n, name in enumerate(("visit", "Rare name", "pay")))
    yield "load", load(shop, events(400) + one.replace("u390", "erased-person"))[0] == 0
    for verb in ("stitch", "report"):
        yield verb, shop.run(verb)[0] == 0
    for word in WORDS:
        yield f"{word!r} can be seen before it is forgotten", bool(_files_with(folder / "lake", [word]))
    yield "forget", shop.run("forget", "anonymous_id:erased-person", "--yes")[0] == 0
    (folder / "clicks.ndjson").unlink()  # the source, which is not the product's
    yield "between forget and the next report", not _files_with(folder, WORDS)
    time.sleep(1)
    yield "report after it", shop.run("report")[0] == 0
    for word in WORDS:
        found = _files_with(folder, [word])
        yield f"{word!r} is still in {found[:3]}", not found
    runs = sorted((folder / "site" / "runs").glob("*/site.json"))
    yield f"{len(runs)} of two reports have a record", len(runs) == 2
    small = _moved(*(json.loads(run.read_bytes()) for run in runs[:2]))
    yield f"{len(small)} counts of kept reports move by fewer than 10, such as {small[:3]}", not small


def _files_with(folder: Path, words: Sequence[bytes]) -> list[str]:
    contents = {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return [name for name, content in contents.items() if any(word in content for word in words)]


def _moved(earlier: dict[str, Any], later: dict[str, Any]) -> list[str]:
    """The counts of two reports that differ by one to nine."""
    if "withdrawn" in earlier:
        return []
    frames = [
        {part["id"]: part["frame"] for page in one["pages"] for part in page["parts"]} for one in (earlier, later)
    ]
    found = []
    for name in frames[0].keys() & frames[1].keys():
        for column in frames[0][name].keys() & frames[1][name].keys():
            pairs = zip(frames[0][name][column], frames[1][name][column], strict=False)
            found += [f"{name}.{column}" for a, b in pairs if type(a) is type(b) is int and 0 < abs(a - b) < 10]
    return found


def deletion(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """A command removes only what it has made, and asks before it removes what cannot be made again."""
    shop = Command(folder, CONFIG + "[report]\nkeep = 1\n")
    load(shop, events(60))
    shop.run("stitch")
    foreign = {"runs/20200101T000000Z-backup/data.csv": "mine", "runs/0/site.json": "[]", "other/a.txt": "mine"}
    foreign |= {"runs/20200101T000000Z-0a0a0a0a/site.json": '{"headline": 1}', "runs/note.txt": "mine"}
    for name, text in foreign.items():
        (folder / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "site" / name).write_text(text, encoding="utf-8")
    code, said = shop.run("report")
    yield f"a report beside foreign files: {said[-200:]}", code == 0
    for name, text in foreign.items():
        file = folder / "site" / name
        yield f"{name} is gone", file.exists() and file.read_text(encoding="utf-8") == text
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").write_text("mine", encoding="utf-8")
    code, _said = shop.run("demo", "--folder", "full")
    yield "a demo in a folder with something else", code == 5 and (folder / "full" / "thesis.txt").exists()
    before = shop.counts()
    for verb in (("forget", "anonymous_id:u1"), ("restore", "2026-01-01T00:00:00Z")):
        code, _said = shop.run(*verb)
        yield f"{verb[0]} without an answer", code != 0 and shop.counts() == before


def folders(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """A folder of any name that tables can have, a lake that is only read, no home, a terminal of ASCII."""
    for name in (
        "My Projects",
        "Größe",
        "100%",
        "a#b?c",
        "данные",
        "quote's",
        'a"b',
        "{y}*",
        "a=b",
        "日本 語",
        "-x",
        "~",
        "a&b;c",
    ):
        shop = Command(folder / name)
        sound = load(shop, events(20))[0] == 0 and shop.run("stitch")[0] == 0 and shop.counts().get("events") == 27
        yield f"folder {name!r}", sound
    nowhere = {"HOME": "/nonexistent", "LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    for verb in ("status", "paths", "touchpoints", "quarantine list", "funnel visit pay"):
        yield f"{verb}, without a home, on a terminal of ASCII", shop.is_sound(*verb.split(), **nowhere)
    before = "import os; os.umask(0o022)"
    private = Command(folder / "private")
    (private.folder / "clicks.ndjson").write_text(events(20), encoding="utf-8")
    private.run("load", "--kind", "clickstream", "clicks.ndjson", before=before)
    seen = [each for each in (private.folder / "lake").rglob("*") if each.stat().st_mode & 0o077]
    yield f"others may read {seen[:2]}", not seen and (private.folder / "lake").exists()
    state = {file: file.stat().st_mtime_ns for file in (shop.folder / "lake").rglob("*")}
    for file in state:
        file.chmod(0o555 if file.is_dir() else 0o444)
    for verb in ("status", "funnel visit pay", "paths", "quarantine list"):
        unchanged = shop.is_sound(*verb.split(), codes=frozenset({0}))
        now = {file: file.stat().st_mtime_ns for file in (shop.folder / "lake").rglob("*")}
        yield f"{verb} writes to a lake", unchanged and now == state
    for file in state:
        file.chmod(0o755 if file.is_dir() else 0o644)


def tracebacks(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """Whatever the arguments and the disk, a command ends with words and its documented code."""
    shop = Command(folder)
    load(shop, events(60))
    shop.run("stitch")
    for line in (
        *("funnel nothing", "funnel visit --window 9", "funnel visit pay --by nothing", "paths --from nothing"),
        *("quarantine show a/b/c", "restore yesterday", "identity why a b"),
        *("export customer nobody:1", "forget nobody:1 --yes", "report --from 2026-99-99", "report --by nothing"),
        *("load --kind nothing x", "check --config absent.toml", "stitch --nothing", "serve --site absent", "nothing"),
    ):
        yield f"journeys {line}", shop.is_sound(*line.split(), codes=CODES - {0, 1})
    for bytes_ in (0, 2_000, 20_000):
        full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes_}, {bytes_}))"
        for verb in ("stitch --rebuild", "load --kind clickstream clicks.ndjson", "check", "report"):
            yield f"{verb}, disk full after {bytes_} bytes", shop.is_sound(*verb.split(), before=full)
    yield (
        "output to a full disk",
        shop.is_sound("paths", before="sys.stdout = open('/dev/full', 'w')", codes=frozenset({5})),
    )


def secrets(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """No secret of a setting is in any output, table or page."""
    from tests.journeys.test_secrets import CONFIG as PLANTED
    from tests.journeys.test_secrets import ENVIRONMENT, VERBS, WRONG

    shop = Command(folder, PLANTED)
    (folder / "clicks.ndjson").write_text(events(40) + "{\n", encoding="utf-8")
    for verb in VERBS:
        _, said = shop.run(*verb.split(), **ENVIRONMENT)
        yield f"{verb} prints a secret", bool(said.strip()) and MARK not in said
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield f"{file} has a secret", MARK.encode() not in file.read_bytes()
    for name, text in WRONG.items():
        _, said = Command(folder / "wrong", text).run("doctor")
        yield f"{name}: an error shows a secret", bool(said.strip()) and MARK not in said


def kills(folder: Path, drawn: random.Random, times: int) -> Iterator[Held]:
    """A command that is killed at any moment leaves a lake that the next run continues: nothing lost, nothing twice."""
    shop = Command(folder)
    (folder / "clicks.ndjson").write_text(events(3_000), encoding="utf-8")
    for verb in ("load --kind clickstream clicks.ndjson", "stitch --rebuild"):
        began = time.monotonic()
        running = shop.start(*verb.split())
        running.communicate()
        whole = time.monotonic() - began
        for _ in range(5 * times):
            running = shop.start(*verb.split())
            time.sleep(drawn.uniform(0.3, 1.0) * whole)
            running.send_signal(signal.SIGKILL)
            running.communicate()
            ended = shop.run(*verb.split())[0]
            yield f"kill -9 of {verb}", ended == 0 and shop.counts().get("events") == 4_000


def overlaps(folder: Path, _: random.Random, times: int) -> Iterator[Held]:
    """Two commands at once do not double, lose or mix anything."""
    shop = Command(folder)
    for number in range(2 * times):
        name = f"clicks{number}.ndjson"
        (folder / name).write_text(events(600).replace('"event_id": "', f'"event_id": "{number}-'), encoding="utf-8")
        for verb in (f"load --kind clickstream {name}", "stitch", "maintain"):
            both = [shop.start(*verb.split()) for _ in range(2)]
            said = [b"".join(each.communicate()).decode(errors="replace") for each in both]
            sound = not any("Traceback" in text for text in said) and {each.returncode for each in both} <= {0, 4, 5}
            yield f"twice at once: {verb}: {said}", sound and shop.counts().get("events") == 800 * (number + 1)
        yield "the paths are those of the events", shop.run("stitch")[0] == 0 and shop.run("stitch", "--verify")[0] == 0


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def network(folder: Path, _: random.Random, __: int) -> Iterator[Held]:
    """Servers answer this machine by its own names, from one folder, whoever else is connected."""
    shop = Command(folder)
    (folder / "site").mkdir()
    (folder / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "site" / "index.html").write_text("front", encoding="utf-8")
    (folder / "site" / "link").symlink_to(folder / "secret.txt")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = shop.start("serve", "--port", str(port))
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not _answers(port):
            time.sleep(0.2)

        def ask(path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                connection.request("GET", path, headers={"Host": host})
                answer = connection.getresponse()
                return answer.status, answer.read()

        yield "the report", ask("/") == (200, b"front")
        for host in ("evil.example", "127.0.0.1.evil.example", f"evil.example:{port}", "0.0.0.0"):
            yield f"host {host}", ask("/", host)[0] == 421
        for path in ("/link", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/runs/", "//etc/passwd"):
            yield f"path {path}", ask(path)[0] == 404
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(230)]
        yield "230 idle connections", ask("/") == (200, b"front")
        for each in idle:
            each.close()
    finally:
        running.kill()
        running.communicate()


ROWS: Final[dict[str, Callable[[Path, random.Random, int], Iterator[Held]]]] = {
    "records": records,
    "files": files,
    "client-chosen keys": keys,
    "configuration": configuration,
    "erasure across reports": erasure,
    "deletion": deletion,
    "folders and installs": folders,
    "tracebacks": tracebacks,
    "secrets": secrets,
    "kills": kills,
    "overlaps": overlaps,
    "network": network,
}


def main() -> None:
    """Run the attacks and print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--only", nargs="+", choices=[name.split()[0] for name in ROWS], default=[])
    asked.add_argument("--times", type=int, default=1)
    asked.add_argument("--seed", type=int, default=7)
    given = asked.parse_args()
    subprocess.run(
        [sys.executable, "-m", "analytics"], check=True, stdout=subprocess.DEVNULL
    )  # compile the scans first
    table, failed = ["| promise | tried | held |", "| --- | --- | --- |"], 0
    for name, row in ROWS.items():
        if given.only and name.split()[0] not in given.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = list(row(Path(folder) / "work", random.Random(given.seed), given.times))
        for attack, held in found:
            if not held:
                print(f"not held: {name}: {attack}", flush=True)
        held_count = sum(held for _, held in found)
        print(f"{name}: {held_count} of {len(found)} held", file=sys.stderr, flush=True)
        failed += len(found) - held_count
        table.append(f"| {name}: {(row.__doc__ or '').strip()} | {len(found)} | {held_count} |")
    print("\n".join(table))
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{sum(each.ru_utime + each.ru_stime for each in used):.0f} s of one processor")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
