from __future__ import annotations

import hashlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from analytics.identity.rules import IdentityRules
from expectations.hashing import HASHES, email_hash, phone_hash
from ingest.settings.mapping import Origin


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("written", ["ann@example.com", " Ann@Example.COM\n", "ANN@EXAMPLE.COM"])
def test_one_address_has_one_hash_however_it_is_written(written: str) -> None:
    assert email_hash(written) == sha("ann@example.com")


@pytest.mark.parametrize("written", ["", "ann", "@example.com", "ann@", "ann b@example.com"])
def test_a_value_that_is_not_an_address_has_no_hash(written: str) -> None:
    assert email_hash(written) is None


@pytest.mark.parametrize("written", ["+49 30 123456", "0049-30-123456", "+49 (0)30 123.456", "030/123456", "30 123456"])
def test_one_number_has_one_hash_however_it_is_written(written: str) -> None:
    assert phone_hash(written, country="49") == sha("+4930123456")


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("06 6982 0000", "39", "+390669820000"),
        ("+39 06 6982 0000", "", "+390669820000"),
        ("+39 (0)6 6982 0000", "", "+390669820000"),
        ("339 123 4567", "39", "+393391234567"),
        ("(202) 555-0123", "1", "+12025550123"),
        ("1 202 555 0123", "+1", "+12025550123"),
        ("+1 202 555 0123", "", "+12025550123"),
        ("011 49 30 123456", "1", "+4930123456"),
        ("8 (912) 345-67-89", "7", "+79123456789"),
        ("912 345-67-89", "7", "+79123456789"),
        ("+7 912 345 67 89", "7", "+79123456789"),
        ("06 30 123 4567", "36", "+36301234567"),
        ("+36 30 123 4567", "36", "+36301234567"),
        ("(+36) 06 30 123 4567", "", "+36301234567"),
    ],
)
def test_a_number_is_read_as_it_is_dialled_in_its_country(written: str, country: str, number: str) -> None:
    assert phone_hash(written, country) == sha(number)


@pytest.mark.parametrize("country", ["", "0", "999", "800", "DE"])
def test_with_an_invalid_calling_code_only_numbers_with_their_own_are_read(country: str) -> None:
    assert phone_hash("030 123456", country) is None
    assert phone_hash("+49 30 123456", country) == sha("+4930123456")


@pytest.mark.parametrize("written", ["030 123456 ext. 7", "030 123456 #7", "030 123456;ext=7", "1-800-FLOWERS", "7"])
def test_a_number_that_many_may_share_has_no_hash(written: str) -> None:
    assert phone_hash(written, country="49") is None


def test_half_a_character_is_no_address() -> None:
    assert email_hash("ann\ud800@example.com") is None
    assert phone_hash("+49 30 123456\ud800") is None


@pytest.mark.parametrize("code", ["", "1", "+49", "39"])
def test_a_calling_code_of_a_country_may_be_set(code: str) -> None:
    assert IdentityRules(calling_code=code).calling_code == Origin(path=["phone"], calling_code=code).calling_code


@pytest.mark.parametrize("code", ["0", "999", "+800"])
def test_a_calling_code_of_no_country_is_refused(code: str) -> None:
    for section in (IdentityRules, partial(Origin, path=["phone"])):
        with pytest.raises(ValidationError, match="calling_code"):
            section(calling_code=code)


@pytest.mark.parametrize("written", ["", "030 123456", "+0 30 123456", "+49 30 12x456", "+49", "+1234567890123456"])
def test_a_value_that_is_not_a_number_has_no_hash(written: str) -> None:
    assert phone_hash(written) is None


@given(st.text() | st.text("0123456789+()-./ ") | st.characters(categories=["Cs"]).map("+49 30 {0}12345@x".format))
def test_a_hash_is_kept_and_any_text_is_accepted(text: str) -> None:
    for hashed in HASHES.values():
        once = hashed(text)
        assert once is None or hashed(once.upper()) == once
