"""Certificates of an authority of the tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
# What Python 3.13 asks of an authority: that it may sign certificates, and lists of those that count no more.
SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


class Authority:
    """Signs; `file` is what those need who trust it."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._name, self._key = folder, _named(name), ec.generate_private_key(ec.SECP256R1())
        made = self._built(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        made = made.add_extension(SIGNS, critical=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(_pem(made.sign(self._key, hashes.SHA256())))

    def sign(self, name: str, lasts: timedelta = DAY) -> tuple[Path, Path]:
        """The files of a certificate and its key, for this machine under a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        local = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        signed = self._built(_named(name), key, lasts).add_extension(local, critical=False)
        cert, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        _replace(cert, _pem(signed.sign(self._key, hashes.SHA256())))
        plain = serialization.NoEncryption()
        _replace(secret, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return cert, secret

    def _built(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta = DAY
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        named = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        mine = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        its = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        named = named.add_extension(mine, critical=False).add_extension(its, critical=False)
        return named.not_valid_before(now - 2 * DAY).not_valid_after(now + lasts)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _replace(path: Path, content: bytes) -> None:
    path.with_suffix(".partial").write_bytes(content)
    path.with_suffix(".partial").replace(path)
