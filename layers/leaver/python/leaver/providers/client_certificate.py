"""A TLS context that shows who we are, made without a private key ever touching a disk."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from leaver.providers.ca_bundle import CaBundle


def context(roots: CaBundle, certificate: str, private_key: SecretStr) -> ssl.SSLContext:
    """Believe `roots` and nobody else, and present the certificate, which its chain may follow. Both are PEM.

    Raises ValueError where certificate and key are no pair, or the key is encrypted, and what `roots` raise.
    """
    made = roots.context()
    # IIS reads the path before it asks for a certificate: under TLS 1.3 that is after the handshake
    made.post_handshake_auth = True
    if not _loaded(made, certificate, private_key):
        raise ValueError("not a certificate and its private key, unencrypted, in PEM")
    return made


def _loaded(into: ssl.SSLContext, certificate: str, private_key: SecretStr) -> bool:
    # a function of its own: an error raised from here would carry the key among its traceback's variables
    pair = f"{certificate.strip()}\n{private_key.get_secret_value().strip()}\n"
    with _in_memory(pair.encode()) as path:
        try:
            # without a password OpenSSL would ask the terminal for that of an encrypted key
            into.load_cert_chain(path, password="")
        except ssl.SSLError:
            return False
    return True


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Give content a path, which is all that `ssl` takes, for as long as it is read."""
    descriptor = os.memfd_create("leaver")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
