"""What an aiokafka client needs to reach and trust a broker, and to be trusted by it."""

import ssl
from typing import TYPE_CHECKING, Any

from app.domain.errors import UserError

if TYPE_CHECKING:
    from app.service.settings import Settings


def client_options(settings: "Settings") -> dict[str, Any]:
    """Keyword arguments of every aiokafka client for these settings; see `Settings.client_options`."""
    if settings.broker is None:
        raise no_broker()
    options: dict[str, Any] = {
        "bootstrap_servers": settings.broker,
        # What the cluster's operators see of a client: in the broker's logs and metrics, and as whom a quota is for.
        "client_id": settings.app,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    if settings.sasl_mechanism is not None and settings.sasl_password is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


def ssl_context(settings: "Settings") -> ssl.SSLContext:
    """TLS that checks the broker's name and certificate, with the client's own certificate where one is set.

    Raises UserError `bad-certificate` for a file that holds no usable PEM, or a key that does not fit.
    """
    context = _context(settings)
    if settings.ssl_certfile is not None:
        secret = settings.ssl_key_password
        password = "" if secret is None else secret.get_secret_value()
        try:
            # Without a password callback OpenSSL would ask for an encrypted key's passphrase on the terminal.
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, password=lambda: password)
        except (ssl.SSLError, OSError, ValueError) as error:
            hint = "the key must fit the certificate; one that is encrypted needs REENGAGE_SSL_KEY_PASSWORD"
            raise _bad_certificate("REENGAGE_SSL_CERTFILE", error, hint) from error
    return context


def no_broker() -> UserError:
    """The error of every command that needs a broker and finds none (contract 9)."""
    return UserError(
        "no-broker",
        "REENGAGE_BROKER",
        "no broker is set, and none is kept here",
        "set REENGAGE_BROKER=host:port, or run `reengage broker start`",
    )


def _context(settings: "Settings") -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ssl_cafile)
    except (ssl.SSLError, OSError) as error:
        raise _bad_certificate("REENGAGE_SSL_CAFILE", error, "the file must hold PEM certificates") from error


def _bad_certificate(place: str, error: Exception, hint: str) -> UserError:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    return UserError("bad-certificate", place, f"cannot be used: {reason}", hint)
