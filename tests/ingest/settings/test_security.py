"""Security settings are validated and reach the client library, and no secret is ever shown."""

from __future__ import annotations

import logging
import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from expectations.config.file import ConfigFile
from expectations.errors import BrokerError, ConfigurationError
from ingest.kafka.client import admin_client, client_options
from ingest.kafka.topics import describe
from ingest.settings.ingest import IngestSettings
from ingest.settings.security import OPEN, Security
from journeys.settings import TABLES, Settings

SECRET = "hunter2-hunter2"
LOGIN = {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "ann", "password": SECRET}
SECOND = timedelta(seconds=1)


def client(**security: Any) -> dict[str, Any]:
    return client_options(["here:9092"], Security.model_validate(security), SECOND)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key, which is encrypted with the secret."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    names = ["-passout", f"pass:{SECRET}", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, *files, *names], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize(
    ("security", "message"),
    [
        ({"protocol": "SASL_SSL"}, "needs a mechanism"),
        (LOGIN | {"password_file": "file"}, "exclude each other"),
        ({"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER", "username": "ann"}, "needs a token_file"),
        ({"protocol": "SSL", "certificate": "cert.pem"}, "go together"),
        ({"protocol": "TLS"}, "SASL_SSL"),
    ],
)
def test_incomplete_security_settings_are_rejected(security: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Security.model_validate(security)


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_login_without_username_or_password_is_rejected_on_connection(missing: str) -> None:
    security = Security.model_validate(LOGIN | {missing: None})
    with pytest.raises(ConfigurationError, match=f"JOURNEYS_INGEST__SECURITY__{missing.upper()}"):
        client_options(["here:9092"], security, SECOND)


def test_without_security_the_client_gets_no_security_options() -> None:
    assert client_options(["here:9092"], OPEN, SECOND) == {
        "bootstrap_servers": ["here:9092"],
        "bootstrap_timeout_ms": 1000,
        "security_protocol": "PLAINTEXT",
    }


def test_a_password_without_a_login_is_not_passed_to_the_client() -> None:
    assert "sasl_plain_password" not in client(password=SECRET)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_login_reaches_the_client_from_setting_or_file(mechanism: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET + "\n")
    security = {"protocol": "SASL_PLAINTEXT", "mechanism": mechanism, "username": "ann"}
    for secret in ({"password": SECRET}, {"password_file": str(tmp_path / "password")}):
        options = client(**security, **secret)
        assert (options["sasl_mechanism"], options["sasl_plain_username"]) == (mechanism, "ann")
        assert options["sasl_plain_password"] == SECRET


def test_the_token_file_is_read_for_every_connection(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    options = client(protocol="SASL_PLAINTEXT", mechanism="OAUTHBEARER", token_file=str(file))
    provider = options["sasl_oauth_token_provider"]
    assert provider.token() == "first"
    file.write_text("second")
    assert provider.token() == "second"


def test_certificates_reach_the_client(certificate: tuple[Path, Path]) -> None:
    cert, key = (str(file) for file in certificate)
    options = client(protocol="SSL", ca=cert, certificate=cert, key=key, key_password=SECRET, check_hostname=False)
    context = options["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED and not context.check_hostname
    assert len(context.get_ca_certs()) == 1


def test_a_file_that_cannot_be_used_is_one_clear_error(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = (str(file) for file in certificate)
    (tmp_path / "text").write_text(SECRET)
    (tmp_path / "empty").touch()
    text, empty, nowhere = (str(tmp_path / name) for name in ("text", "empty", "nowhere"))
    login = {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "ann"}
    token = {"protocol": "SASL_PLAINTEXT", "mechanism": "OAUTHBEARER"}
    for security, names in (
        ({"protocol": "SSL", "ca": text}, "ca"),
        ({"protocol": "SSL", "ca": nowhere}, "No such file"),
        ({"protocol": "SSL", "certificate": cert, "key": key, "key_password": "wrong"}, "another key password"),
        ({"protocol": "SSL", "certificate": cert, "key": key}, "another key password"),
        (login | {"password_file": nowhere}, "No such file"),
        (login | {"password_file": empty}, "an empty first line"),
        (token | {"token_file": nowhere}, "token_file"),
    ):
        with pytest.raises(ConfigurationError, match=names) as refused:
            client(**security)
        assert SECRET not in str(refused.value)


def test_a_secret_is_never_printed() -> None:
    settings = IngestSettings(security=Security.model_validate(LOGIN | {"key_password": SECRET}))
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert SECRET not in shown


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "journeys.toml"
    file.write_text('[ingest]\n[ingest.security]\nprotocol = "SASL_SSL"\nmechanism = "PLAIN"\nusername = "ann"\n')
    yield file


def test_the_password_comes_from_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_INGEST__SECURITY__PASSWORD", SECRET)
    assert Settings(config).ingest.security.login() == ("ann", SECRET)


def test_paths_are_relative_to_the_folder_of_the_configuration(config: Path) -> None:
    config.write_text(config.read_text() + 'password_file = "password"\nca = "/etc/ca.pem"\n')
    (config.parent / "password").write_text(SECRET)
    security = Settings(config).ingest.security
    assert security.login() == ("ann", SECRET) and security.ca == "/etc/ca.pem"


@pytest.mark.parametrize(
    "wrong",
    [
        f'security = "{SECRET}"',
        f'security.password = ["{SECRET}"]',
        f'security.passwort = "{SECRET}"',
        f'security.password = "{SECRET}"\nsecurity.protocol = "SASL_SSL"',
        f'security.password = "{SECRET}"\nsecurity.password_file = "file"',
        f'security.password = "{SECRET}"\nsecurity.check_hostname = "often"',
        f'security = ["{SECRET}"]',
    ],
)
def test_an_error_in_the_configuration_does_not_show_a_secret(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "journeys.toml"
    file.write_text(f"[ingest]\n{wrong}\n")
    with pytest.raises(ConfigurationError, match="security") as refused:
        ConfigFile.open(file, TABLES).section("ingest", IngestSettings)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "wrong", [SECRET, f'{{"password": "{SECRET}"', f'{{"password": "{SECRET}", "protocol": "SSH"}}']
)
def test_an_error_in_the_environment_does_not_show_a_secret(
    wrong: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNEYS_INGEST__SECURITY", wrong)
    with pytest.raises(ConfigurationError) as refused:
        ConfigFile.open(config, TABLES).section("ingest", IngestSettings)
    assert SECRET not in str(refused.value)


@pytest.mark.broker
def test_errors_distinguish_a_broker_without_tls_from_one_without_login(
    certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    from ingest.samples.broker import EmbeddedBroker

    with EmbeddedBroker() as broker, caplog.at_level(logging.DEBUG):
        with pytest.raises(BrokerError, match="No encrypted connection") as refused:
            admin_client([broker.address], Security(protocol="SSL", ca=str(certificate[0])), SECOND)
        assert SECRET not in str(refused.value)
        asked = {"brokers": [broker.address], "security": LOGIN, "connect_timeout": "1s"}
        with pytest.raises(BrokerError, match="does not let us in") as refused:
            describe(IngestSettings.model_validate(asked))
    assert SECRET not in str(refused.value) and SECRET not in caplog.text
