"""The `[ingest.security]` table of journeys.toml: login to the brokers, and verification of their certificates.

Secrets come from the environment (`JOURNEYS_INGEST__SECURITY__PASSWORD`) or from a file, which is read at every start.
Log lines, errors and printed settings never show them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, model_validator

from expectations.config.file import Section
from expectations.errors import ConfigurationError

SECURITY_FILES: Final = ("ca", "certificate", "key", "password_file", "token_file")
"""The keys of `[ingest.security]` that name a file."""

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


class Security(Section):
    """Encryption and login, with the names that Kafka's own clients use; the default is neither.

    `ca` is the PEM file of the trusted authorities (None: the system's); `certificate` and `key` identify the client if
    the brokers require it. PLAIN and SCRAM need `username` and `password` or `password_file`, OAUTHBEARER needs
    `token_file`, which is read for every connection, so a renewed token takes effect without a restart.

    >>> Security(protocol="SASL_SSL", mechanism="PLAIN", username="ann", password="secret").password
    SecretStr('**********')
    """

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="encryption and login, as Kafka names them"
    )
    ca: str | None = Field(default=None, description="PEM file of the trusted authorities; by default the system's")
    certificate: str | None = Field(default=None, description="PEM file that identifies the client")
    key: str | None = Field(default=None, description="PEM file of its key")
    key_password: SecretStr | None = Field(default=None, description="password of the key")
    check_hostname: bool = Field(default=True, description="the certificate must be of the host")
    mechanism: Mechanism | None = Field(default=None, description="how the login is proven")
    username: str | None = Field(default=None, min_length=1, description="the login")
    password: SecretStr | None = Field(default=None, description="its password")
    password_file: str | None = Field(default=None, description="file with the password")
    token_file: str | None = Field(default=None, description="file with the token, read for every connection")

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def uses_login(self) -> bool:
        """Whether the login uses SASL."""
        return self.protocol.startswith("SASL")

    def login(self) -> tuple[str, str]:
        """Read username and password. Called on connection, so commands that do not connect need no secret.

        Raises ConfigurationError when one is missing, or its file cannot be read.
        """
        if self.username is None:
            raise _missing("username", self.mechanism)
        if self.password_file is not None:
            return self.username, read_secret(self.password_file, "password_file")
        if self.password is None:
            raise _missing("password", self.mechanism)
        return self.username, self.password.get_secret_value()

    @model_validator(mode="after")
    def _check_combination(self) -> Security:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: set both, or neither")
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file exclude each other: set one of them")
        if self.uses_login and self.mechanism is None:
            raise ValueError(f"protocol {self.protocol} needs a mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, ...")
        if self.uses_login and self.mechanism == "OAUTHBEARER" and self.token_file is None:
            raise ValueError("mechanism OAUTHBEARER needs a token_file")
        return self


OPEN: Final = Security()
"""Neither encryption nor login."""


def _missing(key: str, mechanism: str | None) -> ConfigurationError:
    variable = f"JOURNEYS_INGEST__SECURITY__{key.upper()}"
    return ConfigurationError(
        "The login to the brokers is incomplete.",
        where="[ingest.security]",
        expected=f"a {key} for mechanism {mechanism}",
        found="none",
        do=f"set it there, or in the environment variable {variable}",
    )


def read_secret(file: str, key: str, table: str = "ingest.security") -> str:
    """The first line of a file that holds a secret. Raises ConfigurationError when it cannot be read or is empty."""
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = (error.strerror or type(error).__name__) if isinstance(error, OSError) else "not UTF-8 text"
        raise unusable_file(key, file, found, table) from error
    if not lines or not lines[0].strip():
        raise unusable_file(key, file, "an empty first line", table)
    return lines[0].strip()


def unusable_file(key: str, file: str, found: str, table: str = "ingest.security") -> ConfigurationError:
    """The error for a file of a login that cannot be used; `found` must not reveal its content."""
    return ConfigurationError(
        f"A file that the connection to the {'brokers' if table == 'ingest.security' else 'registry'} needs"
        " cannot be used.",
        where=f"[{table}] {key} = {file!r}",
        expected="a file that this process may read",
        found=found,
        do="name another file, or fix its content or its permissions",
    )
