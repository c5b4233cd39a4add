"""The whole job on example data, in a folder of its own: broker, events, landing, stitching, check, report."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from expectations.errors import StorageError
from journeys import terminal
from journeys.commands import steps
from journeys.settings import Settings, template

if TYPE_CHECKING:
    import polars as pl

    from ingest.message import Message

MARK: Final = ".journeys-demo"


class Example(Protocol):
    """Example data: messages for the topics, and profiles of the customers."""

    @property
    def profiles(self) -> pl.DataFrame:
        """Customer attributes: identity_kind, identity, attribute, value, valid_from."""

    def messages(self) -> Iterator[Message]:
        """The messages of all topics in the order in which they arrive."""

    def write(self, folder: Path) -> None:
        """The same as files, one a topic."""

    def write_known(self, folder: Path) -> None:
        """What is known to be true of the data, beside it: what the report should find."""


def _shop(customers: int) -> Example:
    from ingest.samples.simulator import simulate

    return simulate(customers=customers)


def _completejourney(_: int) -> Example:
    from ingest.samples.completejourney import completejourney

    return completejourney()


DATA: Final[dict[str, Callable[[int], Example]]] = {"shop": _shop, "completejourney": _completejourney}


def run(data: str, folder: Path, customers: int) -> None:
    """Run the example `data` in `folder`, replacing an earlier run there, and say where the report is."""
    from ingest.samples.broker import EmbeddedBroker

    config = _fresh(folder, data)
    with terminal.step(f"Making example data: {data}"):
        example = DATA[data](customers)
        example.write_known(folder / "data")
        gc.freeze()  # millions of objects that stay: what comes after need not walk them again and again
    if EmbeddedBroker.available():
        with EmbeddedBroker() as broker:
            terminal.out.print(f"  broker on {broker.address}")
            settings = Settings(config, brokers=[broker.address])
            send(example, settings)
            load_profiles(example.profiles, settings)
            steps.ingest(settings, until_caught_up=True)
    else:
        terminal.out.print(
            "  no embedded broker for this platform: the same events come from files, through the same gate"
        )
        settings = Settings(config)
        _land_files(example, folder / "data", settings)
    steps.stitch(settings)
    steps.check(settings)
    published = steps.report(settings)
    terminal.out.print(f"\n[bold]Open {published.address}[/]", soft_wrap=True)
    terminal.out.print(f"Ask more: cd {folder} && journeys funnel --by channel", markup=False)


def send(example: Example, settings: Settings) -> int:
    """Create the configured topics where they are missing and produce the example's messages."""
    from ingest.kafka.producer import produce
    from ingest.kafka.topics import create_topics

    asked = settings.ingest
    create_topics(asked.brokers, {stream.topic: 4 for stream in asked.streams}, asked.security)
    with terminal.step("Producing events") as advance:
        sent = produce(asked.brokers, example.messages(), lambda done: advance(done, None), asked.security)
    terminal.out.print(f"  {sent:,} messages sent")
    return sent


def load_profiles(profiles: pl.DataFrame, settings: Settings) -> None:
    """Land the example's customer attributes."""
    from ingest.files.load import load_profiles as land

    with terminal.step("Landing profiles") as advance:
        summary = land(profiles, settings.lake, on_progress=advance)
    terminal.out.print(f"  {summary.landed:,} attribute values landed")


def _land_files(example: Example, folder: Path, settings: Settings) -> None:
    example.write(folder)
    for stream in settings.ingest.streams:
        steps.load(settings, [str(folder / f"{stream.topic}.ndjson")], stream.kind)
    load_profiles(example.profiles, settings)


def _fresh(folder: Path, data: str) -> Path:
    """An empty demo folder with its journeys.toml; a folder that is not a demo's is never touched."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise StorageError(
            "The folder holds something else than a demo.", where=str(folder), do="name another with --folder"
        )
    config = folder / "journeys.toml"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / MARK).touch()
        config.write_text(template(data), encoding="utf-8")
    except OSError as error:
        raise StorageError("The demo's folder cannot be written.", where=str(folder), found=str(error)) from error
    return config
