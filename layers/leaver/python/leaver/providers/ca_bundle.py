"""The certificate authorities that vouch for a provider: read when they are first needed, and refused by their name."""

import ssl
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Self

from leaver.errors import Rejected


class CaBundle:
    """Certificates in PEM. `name` is what people know the bundle by, as in `secret venafi-ca`."""

    def __init__(self, name: str, read: Callable[[], str]) -> None:
        self._name = name
        self._read = read
        self._pem = ""

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """The file is read when it is needed: where it is missing, whoever calls other hosts goes on."""

        def read() -> str:
            try:
                return path.read_bytes().decode(errors="ignore")
            except OSError:
                raise Rejected(f"file {path}: can't be read") from None

        return cls(f"file {path}", read)

    @cached_property
    def shared(self) -> ssl.SSLContext:
        """The context of whoever shows nobody who they are; one for all, for loading public roots takes 12 ms."""
        return self.context()

    def context(self) -> ssl.SSLContext:
        """Make a TLS context that believes these authorities and nobody else.

        Raises Rejected where the bundle is no PEM, and what reading it raises. Only a good one is remembered: a bundle
        that a person has mended is used at the next call.
        """
        # What is not ASCII may stand in a remark.
        pem = self._pem or self._read().encode("ascii", "ignore").decode()
        try:
            # Danger: without any text, ssl would believe the roots of the system.
            made = ssl.create_default_context(cadata=pem or " ")
        except ssl.SSLError:
            made = None
        if made is None:
            raise Rejected(f"{self._name}: holds no certificates in PEM")
        self._pem = pem
        return made
