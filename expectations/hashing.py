"""Hashes e-mail addresses and phone numbers, so that sources can be matched without storing the addresses.

An e-mail address or phone number is normalised, then hashed with SHA-256 and written in lower-case hexadecimal digits,
as advertising platforms do, so hashes match theirs. A value that is a hash already is kept. A hash is a pseudonym, not
anonymous: anyone who knows the address can compute the hash.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Final

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_WRITTEN: Final = re.compile(r"[\s(]*\+?[0-9\s().\-/\u00a0\u2010-\u2015]{3,60}")


def email_hash(address: str) -> str | None:
    """SHA-256 of an e-mail address, trimmed and in lower case; None when it is not an address.

    >>> email_hash(" Ann@Example.com ") == email_hash("ann@example.com")
    True
    >>> email_hash("ann at home")
    """
    text = unicodedata.normalize("NFC", address).strip().lower()
    if _DIGEST.fullmatch(text):
        return text
    name, at, host = text.rpartition("@")
    is_address = at and name and host and not re.search(r"[\s\ud800-\udfff]", text)
    return _digest(text) if is_address else None


def phone_hash(number: str, country: str = "") -> str | None:
    """SHA-256 of a phone number in E.164 form (`+4930123456`); None when it is not a phone number.

    `country` is the calling code, such as `49`, of numbers written without one, which are read as dialled in that
    country (the United States for `1`, Russia for `7`). Without it such numbers give None, since the same digits belong
    to different people in different countries. A number with an extension (`ext. 12`) or a letter gives None, since
    people who share a switchboard are not one person.

    >>> phone_hash("+49 (0)30 / 123-456") == phone_hash("030 123456", country="49") == phone_hash("004930123456")
    True
    >>> phone_hash("06 6982 0000", country="39") == phone_hash("+39 06 6982 0000")
    True
    >>> phone_hash("030 123456")
    """
    text = unicodedata.normalize("NFKC", number).strip().lower()
    if _DIGEST.fullmatch(text):
        return text
    return _digest(e164) if _WRITTEN.fullmatch(text) and (e164 := _e164(text, country)) else None


def known_calling_code(code: str) -> str:
    """Return a calling code of `journeys.toml` when it is valid or empty; raise ValueError otherwise."""
    if code and _region(code) is None:
        raise ValueError("expected the calling code of a country, such as 49")
    return code


def _e164(number: str, country: str) -> str | None:
    """The number as E.164 when it has a length that numbers of its country have."""
    import phonenumbers

    digits = re.sub(r"[^0-9+]", "", number)
    try:
        read = phonenumbers.parse(f"+{digits[2:]}" if digits.startswith("00") else digits, _region(country))
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(read) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(read, phonenumbers.PhoneNumberFormat.E164)


@cache
def _region(code: str) -> str | None:
    """The country in which numbers of a calling code are read; None when the code is not a country's."""
    import phonenumbers

    digits = code.removeprefix("+")
    region = phonenumbers.region_code_for_country_code(int(digits)) if digits.isdecimal() else None
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


HASHES: Final[dict[str, Callable[[str], str | None]]] = {"email": email_hash, "phone": phone_hash}
"""The hash functions, by the name that a field mapping uses for them."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
