"""How the client library is told of our settings: addresses, patience, encryption and login."""

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
_client_log.addHandler(logging.NullHandler())  # it is shown only where one is set up
_client_log.setLevel(logging.INFO)  # its debugging lines hold passwords and messages


def client_options(brokers: Sequence[str], security: Security, timeout: timedelta) -> dict[str, Any]:
    """What every client is given. Raises ConfigurationError when a file of `[ingest.security]` cannot be used."""
    given: dict[str, Any] = {
        "bootstrap_servers": list(brokers),
        "bootstrap_timeout_ms": milliseconds(timeout),
        "security_protocol": security.protocol,
    }
    if security.uses_tls:
        given["ssl_context"] = _tls(security)
    if security.uses_login:
        given["sasl_mechanism"] = security.mechanism
        if security.token_file is not None and security.mechanism == "OAUTHBEARER":
            given["sasl_oauth_token_provider"] = _TokenFile(security.token_file)
        else:
            given["sasl_plain_username"], given["sasl_plain_password"] = security.login()
    return given


def admin_client(brokers: Sequence[str], security: Security, timeout: timedelta) -> KafkaAdminClient:
    """A client that asks about topics and makes them. Raises BrokerError when the brokers do not answer."""
    given = client_options(brokers, security, timeout)
    _knock(brokers, given.get("ssl_context"), timeout)
    try:
        return KafkaAdminClient(**given)
    except (KafkaError, ValueError, OSError) as error:
        raise unreachable(brokers, error, security) from error


def milliseconds(span: timedelta) -> int:
    """A duration as the client takes it.

    >>> milliseconds(timedelta(seconds=1.5))
    1500
    """
    return int(span.total_seconds() * 1000)


class _TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """A token that is read whenever a connection is made, so that a renewed one is used."""

    def __init__(self, file: str) -> None:
        read_secret(file, "token_file")  # not only when the first connection is made, on the client's thread
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
    """Why a file is of no use; of what is in it nothing is told."""
    if isinstance(error, ssl.SSLError):
        return f"no PEM file of the kind that is needed, or another key password ({error.reason or 'not readable'})"
    return error.strerror or type(error).__name__


def _knock(brokers: Sequence[str], tls: ssl.SSLContext | None, timeout: timedelta) -> None:
    """See that somebody listens at one of the addresses, and is who we trust: the client would go on trying, and not
    say what is wrong.
    """
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
    """Why the other end of a connection is not to be trusted; empty when it is."""
    try:
        tls.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLError as error:
        return getattr(error, "verify_message", None) or error.reason or "no TLS there"
    except OSError as error:
        return f"no TLS there ({type(error).__name__})"
    return ""
