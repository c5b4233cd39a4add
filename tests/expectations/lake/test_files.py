"""Files of the lake that belong to no table work the same in a local folder and in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from analytics import Funnel, funnel
from analytics.stitching.privacy.forget import forget
from analytics.stitching.refresh import refresh, summary_of
from analytics.stitching.verify import verify
from analytics.store.manifest import generation_of
from analytics.store.paths import Paths
from expectations.errors import StorageError
from expectations.lake import files
from expectations.lake.layout import Lake
from tests.analytics.stitching.test_refresh import event, land
from tests.services.object_store import BUCKET, object_store
from tests.written import at


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_store() as environment, pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        yield f"s3://{BUCKET}"


@pytest.fixture(params=["folder", "store"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    place = str(tmp_path) if request.param == "folder" else request.getfixturevalue("bucket")
    return f"{place}/lake"


def test_a_file_is_there_under_its_name_until_it_is_removed(address: str) -> None:
    assert files.read(f"{address}/a/b.json") is None and files.listing(address) == files.names(address) == []
    files.make(f"{address}/a")
    for content in (b"one", b"", b"two" * 100_000):
        files.write(f"{address}/a/b.json", content)
        assert files.read(f"{address}/a/b.json") == content
    files.copy(f"{address}/a/b.json", f"{address}/a/c.json")
    files.write(f"{address}/a/b.json", b"other")
    files.write(f"{address}/ab", b"beside")
    assert files.read(f"{address}/a/c.json") == b"two" * 100_000
    assert files.listing(address) == ["a/b.json", "a/c.json", "ab"] and files.names(address) == ["a", "ab"]
    files.remove(f"{address}/a/c.json")
    assert files.remove(f"{address}/a") == 1
    assert files.listing(address) == ["ab"] and files.read(f"{address}/a") is None
    files.remove(f"{address}/ab")


def test_a_lake_in_a_store_has_the_paths_of_one_in_a_folder(bucket: str, tmp_path: Path) -> None:
    both = [Lake(str(tmp_path)), Lake(f"{bucket}/whole")]
    visits = [event("page_view", f"{n}m", n, customer_id=f"c{n}") for n in range(30)]
    orders = [event("order_placed", f"{100 + n}m", 100 + n, customer_id=f"c{n}", anonymous_id="x") for n in (3, 4)]
    found = []
    for lake in both:
        land(lake, *visits)
        refresh(lake)
        opened = Paths.open(lake)
        land(lake, *orders)
        assert refresh(lake) is not None and refresh(lake) is None
        assert len(opened.touches.collect()) == 30, "who opened before goes on reading"
        stored, summary = Paths.open(lake), summary_of(lake)
        assert any(part.changed for part in stored.parts) and verify(lake).holds
        counts = funnel(stored, Funnel(["page_view", "order_placed"], "7d", maturity="clip"))
        touches = stored.touches.collect().sort("customer", "at")
        proof = forget(lake, "customer_id:c4")
        left = set(Paths.open(lake).touches.collect()["customer"])
        assert "customer_id:c4" not in left and len(left) == 29
        found.append((touches, summary, counts, proof))
    (touches, summary, counts, proof), (others, same, also, beside) = found
    assert_frame_equal(touches, others)
    assert_frame_equal(counts, also)
    assert summary == same and proof.drop("rewritten", "removed").equals(beside.drop("rewritten", "removed"))
    assert (summary.touches, summary.end_of_data) == (32, at("104m"))
    current, manifest, successor = files.names(both[1].paths)
    assert (current, manifest) == (generation_of(both[1]), "manifest.json") and successor.startswith("successor-of-")


def test_a_store_that_does_not_answer_is_one_clear_error(bucket: str) -> None:
    with pytest.raises(StorageError, match="object store"):
        Paths.open("s3://nowhere/lake")
    with pytest.raises(StorageError, match="object store"):
        files.write("nowhere://shop/lake/x", b"")


@pytest.mark.parametrize("kind", ["folder", "store"])
def test_of_several_that_create_a_file_one_gets_it(kind: str, bucket: str, tmp_path: Path) -> None:
    address = f"{tmp_path}/some/file" if kind == "folder" else f"{bucket}/some/file"
    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(lambda number: files.create(address, b"%d" % number), range(4)))
    assert sorted(created) == [False, False, False, True]
    assert files.read(address) == b"%d" % created.index(True) and files.names(address[:-5]) == ["file"]
