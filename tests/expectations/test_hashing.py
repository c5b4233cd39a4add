from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.hashing import HASHES, email_hash, phone_hash


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("written", ["ann@example.com", " Ann@Example.COM\n", "ANN@EXAMPLE.COM"])
def test_one_address_has_one_hash_however_it_is_written(written: str) -> None:
    assert email_hash(written) == sha("ann@example.com")


@pytest.mark.parametrize("written", ["", "ann", "@example.com", "ann@", "ann b@example.com"])
def test_what_is_no_address_has_no_hash(written: str) -> None:
    assert email_hash(written) is None


@pytest.mark.parametrize("written", ["+49 30 123456", "0049-30-123456", "+49 (0)30 123.456", "030/123456", "30 123456"])
def test_one_number_has_one_hash_however_it_is_written(written: str) -> None:
    assert phone_hash(written, country="49") == sha("+4930123456")


@pytest.mark.parametrize("written", ["", "030 123456", "+0 30 123456", "+49 30 12x456", "+49", "+1234567890123456"])
def test_what_is_no_number_has_no_hash(written: str) -> None:
    assert phone_hash(written) is None


@given(st.text())
def test_a_hash_stays_as_it_is_and_any_text_is_taken(text: str) -> None:
    for hashed in HASHES.values():
        once = hashed(text)
        assert once is None or hashed(once.upper()) == once
