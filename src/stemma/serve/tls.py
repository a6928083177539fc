"""TLS: the certificate that a server shows, taken anew when its files change; and whom that of a client names."""

import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any

from stemma.errors import SettingsError, told_by_system
from stemma.serve.reread import Reread
from stemma.serve.settings import TlsSettings

CLIENT = "certificate"  # in the state of a scope: whom the certificate of a client names


class Tls:
    """What connections begin with; a SettingsError where the files are no certificate and its key, valid now."""

    def __init__(self, settings: TlsSettings) -> None:
        files = [each for each in (settings.cert, settings.key, settings.clients) if each is not None]
        self.contexts = Reread("certificate", files, partial(_context, settings), lambda _: {"file": settings.cert})
        self.context = self.contexts.now
        self.context.sni_callback = self._choose  # called for each connection, also for one that names no host

    def _choose(self, connection: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
        self.contexts.renewed()
        connection.context = self.contexts.now


def trusting(cert: str) -> ssl.SSLContext:
    """Of a client that trusts just this certificate, whatever name it is of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cert)
    return context


def client_name(certificate: Mapping[str, Any]) -> str:
    """Whom a certificate that was verified names: its common name, or where it has none its first other name."""
    subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
    others = [value for _, value in certificate.get("subjectAltName", ())]
    return str(subject.get("commonName") or (others or ["a certificate without a name"])[0])


def _context(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET  # a session that goes on would outlive the certificates that it began with
    context.num_tickets = 0
    file = settings.cert
    try:
        context.load_cert_chain(file, settings.key, password="")  # else it would be asked for on the terminal
        _check_valid(context, file)
        if settings.clients is not None:
            file = settings.clients
            context.load_verify_locations(file)
            context.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLCertVerificationError as error:
        raise SettingsError(f"{file} is of no use now ({error.verify_message})") from None
    except ssl.SSLError as error:
        no_pair = f"{file} and {settings.key} are no certificate and its key"
        what = no_pair if file == settings.cert else f"{file} cannot be used"
        raise SettingsError(f"{what} ({error.reason or 'it is no PEM'})") from None
    except OSError as error:
        raise SettingsError(f"{file} or {settings.key} cannot be read ({told_by_system(error)})") from None
    return context


def _check_valid(context: ssl.SSLContext, cert: str) -> None:
    """Shake hands with ourselves: a client that trusts just this certificate says whether it is valid."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = trusting(cert).wrap_bio(back, there), context.wrap_bio(there, back, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:  # it waits for the other
            continue
