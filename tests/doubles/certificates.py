"""Certificate authorities made on the spot, the servers that they vouch for, and the clients."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from leaver.providers.ca_bundle import CaBundle


@dataclass(frozen=True)
class Authority:
    """A certificate authority: the PEM file to trust, and the key to sign with."""

    bundle: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def ca_bundle(self) -> CaBundle:
        """What believes this authority and nobody else."""
        return CaBundle.in_file(self.bundle)


def authority(folder: Path, name: str, *, lacks: str = "") -> Authority:
    """A certificate authority as Python's strict checks want it, but for what it `lacks`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(tz=UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    unsigned = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=lacks != "critical basic constraints")
    )
    if lacks != "key usage":
        key_usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage)
        unsigned = unsigned.add_extension(key_usage, critical=True)
    if lacks != "subject key identifier":
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        unsigned = unsigned.add_extension(identifier, critical=False)
    certificate = unsigned.sign(key, hashes.SHA256())
    bundle = folder / f"{name}.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(bundle, certificate, key)


def server_of(
    issuer: Authority,
    *,
    expired: bool = False,
    name: x509.GeneralName | None = None,
    clients: Authority | None = None,
    clients_must: ssl.VerifyMode = ssl.CERT_REQUIRED,
    lacks: str = "",
) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for 127.0.0.1 unless another name is given.

    With `clients` it asks for a client's certificate of that authority, and insists on it unless told otherwise.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(tz=UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")] if lacks == "subjectAltName" else [])
    unsigned = (
        x509.CertificateBuilder(issuer.certificate.subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=-1, hours=1) if expired else now + timedelta(days=1))
    )
    if lacks != "subjectAltName":
        names = x509.SubjectAlternativeName([name or x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        unsigned = unsigned.add_extension(names, critical=True)
    if lacks != "authority key identifier":
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        unsigned = unsigned.add_extension(identifier, critical=False)
    certificate = unsigned.sign(issuer.key, hashes.SHA256())
    own = issuer.bundle.with_suffix(f".{certificate.serial_number}.server.pem")
    own.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    if clients is not None:
        context.load_verify_locations(clients.bundle)
        context.verify_mode = clients_must
    return context


def client_of(issuer: Authority, name: str = "robot", password: bytes | None = None) -> tuple[str, str]:
    """A client's certificate and its private key, both in PEM; with a password the key is encrypted."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(tz=UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(issuer.certificate.subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
