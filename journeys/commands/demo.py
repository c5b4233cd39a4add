"""`journeys demo`: the whole pipeline on example data, in a folder of its own, from the broker to the report."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from expectations.errors import StorageError
from journeys import start, terminal
from journeys.commands import steps
from journeys.settings import Settings, template

if TYPE_CHECKING:
    import polars as pl

    from ingest.message import Message


class Example(Protocol):
    """Example data: messages for the topics, and profiles of the customers."""

    @property
    def profiles(self) -> pl.DataFrame:
        """Customer attributes: identity_kind, identity, attribute, value, valid_from."""

    def messages(self) -> Iterator[Message]:
        """The messages of all topics, in order of arrival."""

    def write(self, folder: Path) -> None:
        """Write the messages to files, one per topic."""

    def write_known(self, folder: Path) -> None:
        """Write what is known about the data, and so what the report should find."""


def _shop(customers: int) -> Example:
    from ingest.samples.simulator import simulate

    return simulate(customers=customers)


def _completejourney(_: int) -> Example:
    from ingest.samples.completejourney import completejourney

    return completejourney()


DATA: Final[dict[str, Callable[[int], Example]]] = {"shop": _shop, "completejourney": _completejourney}


def run_demo(data: str, folder: Path, customers: int) -> None:
    """Run the example `data` in `folder`, replace an earlier run there, and print where the report is."""
    from ingest.samples.broker import EmbeddedBroker

    config = _fresh(folder, data)
    with terminal.step(f"Making example data: {data}"):
        example = DATA[data](customers)
        example.write_known(folder / "data")
        gc.freeze()  # millions of long-lived objects: later collections need not scan them
    if EmbeddedBroker.available():
        with EmbeddedBroker() as broker:
            terminal.out.print(f"  broker on {broker.address}")
            settings = Settings(config, brokers=[broker.address])
            send(example, settings)
            load_profiles(example.profiles, settings)
            steps.land_events(settings, until_caught_up=True)
    else:
        terminal.out.print(
            "  no embedded broker on this platform: the same events are loaded from files, through the same gate"
        )
        settings = Settings(config)
        _land_files(example, folder / "data", settings)
    steps.stitch_lake(settings)
    steps.print_agreement(settings)
    steps.check_lake(settings)
    published = steps.publish_report(settings)
    terminal.out.print(f"\n[bold]Open {published.address}[/]", soft_wrap=True)
    terminal.out.print(f"Next: cd {folder} && journeys funnel --by channel", markup=False)
    steps.complain_of_failures(published)


def send(example: Example, settings: Settings) -> int:
    """Create missing topics and send the example's messages to the brokers."""
    from ingest.kafka.producer import produce
    from ingest.kafka.topics import create_topics

    ingest = settings.ingest
    create_topics(ingest.brokers, {stream.topic: 4 for stream in ingest.streams}, ingest.security)
    with terminal.step("Producing events") as advance:
        sent = produce(ingest.brokers, example.messages(), lambda done: advance(done, None), ingest.security)
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
        start.land_files(settings, [str(folder / f"{stream.topic}.ndjson")], stream.kind)
    load_profiles(example.profiles, settings)


def _fresh(folder: Path, data: str) -> Path:
    """Empty the demo folder and write its journeys.toml. A folder that no demo has made is never touched."""
    if folder.exists() and any(folder.iterdir()) and not (folder / steps.DEMO_MARK).exists():
        raise StorageError(
            "The folder contains something else than a demo.", where=str(folder), do="name another one with --folder"
        )
    config = folder / "journeys.toml"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / steps.DEMO_MARK).touch()
        config.write_text(template(data), encoding="utf-8")
    except OSError as error:
        raise StorageError("The demo folder cannot be written.", where=str(folder), found=str(error)) from error
    return config
