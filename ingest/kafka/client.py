"""Builds the options of the Kafka clients from our settings: addresses, timeouts, encryption and login."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaConnectionError, KafkaError
from kafka.net.sasl.oauth import AbstractTokenProvider

from ingest.kafka.failures import tls_failed, unreachable
from ingest.settings.security import Security, read_secret, unusable_file

_client_log = logging.getLogger("kafka")
_client_log.addHandler(logging.NullHandler())  # output only where a handler is configured
_client_log.setLevel(logging.INFO)  # its debug lines contain passwords and messages


def client_options(brokers: Sequence[str], security: Security, timeout: timedelta) -> dict[str, Any]:
    """The options common to all clients. Raises ConfigurationError when a file of `[ingest.security]` is unusable."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(brokers),
        "bootstrap_timeout_ms": milliseconds(timeout),
        "security_protocol": security.protocol,
    }
    if security.uses_tls:
        options["ssl_context"] = _tls(security)
    if security.uses_login:
        options["sasl_mechanism"] = security.mechanism
        if security.token_file is not None and security.mechanism == "OAUTHBEARER":
            options["sasl_oauth_token_provider"] = _TokenFile(security.token_file)
        else:
            options["sasl_plain_username"], options["sasl_plain_password"] = security.login()
    return options


def admin_client(brokers: Sequence[str], security: Security, timeout: timedelta) -> KafkaAdminClient:
    """A client that describes and creates topics. Raises BrokerError when the brokers do not answer."""
    options = client_options(brokers, security, timeout)
    _check_reachable(brokers, options.get("ssl_context"), timeout)
    try:
        return KafkaAdminClient(**options)
    except (KafkaError, ValueError, OSError) as error:
        raise unreachable(brokers, error, security) from error


def milliseconds(span: timedelta) -> int:
    """A duration in the client's unit.

    >>> milliseconds(timedelta(seconds=1.5))
    1500
    """
    return int(span.total_seconds() * 1000)


class _TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """Reads the token from its file at every connection, so a renewed token is used."""

    def __init__(self, file: str) -> None:
        read_secret(file, "token_file")  # fail now rather than at the first connection, on the client's thread
        super().__init__()
        self._file = file

    def token(self) -> str:
        return read_secret(self._file, "token_file")


def _tls(security: Security) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = security.check_hostname
    if security.ca is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cafile=str(Path(security.ca)))
        except OSError as error:
            raise unusable_file("ca", security.ca, _reason(error)) from error
    if security.certificate is not None and security.key is not None:
        password = security.key_password.get_secret_value() if security.key_password else ""
        try:
            context.load_cert_chain(security.certificate, security.key, password)
        except OSError as error:
            raise unusable_file("certificate and key", security.certificate, _reason(error)) from error
    return context


def _reason(error: OSError) -> str:
    """Why a file is unusable, without its content."""
    if isinstance(error, ssl.SSLError):
        return f"no PEM file of the kind that is needed, or another key password ({error.reason or 'not readable'})"
    return error.strerror or type(error).__name__


def _check_reachable(brokers: Sequence[str], tls: ssl.SSLContext | None, timeout: timedelta) -> None:
    """Connect to one of the brokers and verify its certificate. The client itself would retry without a reason."""
    refusals, untrusted = [], ""
    for broker in brokers:
        host, colon, port = broker.rpartition(":")
        if not colon:
            host, port = broker, "9092"
        host = host.strip("[]")
        try:
            with closing(socket.create_connection((host, int(port)), timeout=timeout.total_seconds())) as plain:
                untrusted = "" if tls is None else _distrust(plain, tls, host)
        except (OSError, ValueError, OverflowError) as error:
            refusals.append(f"{broker}: {getattr(error, 'strerror', None) or error}")
        else:
            if not untrusted:
                return
    if untrusted:
        raise tls_failed(brokers, untrusted)
    raise unreachable(brokers, KafkaConnectionError("; ".join(refusals[:5])))


def _distrust(plain: socket.socket, tls: ssl.SSLContext, host: str) -> str:
    """Why the other end of a connection is not trusted; empty if it is."""
    try:
        tls.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLError as error:
        return getattr(error, "verify_message", None) or error.reason or "no TLS there"
    except OSError as error:
        return f"no TLS there ({type(error).__name__})"
    return ""
