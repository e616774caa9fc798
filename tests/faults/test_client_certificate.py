"""A web server that asks for the client certificate late: under TLS 1.3, after it has read the path, as IIS does."""

import select
import ssl
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from leaver.providers.transport import Transport
from leaver.providers.venafi.oauth import VenafiAuth
from tests.doubles.certificates import authority, client_of, server_of
from tests.doubles.wire import fixture, serving

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


class AskingLate(ssl.SSLSocket):
    """The server's side: before it answers it asks for a certificate, and answers 403 where none comes."""

    def sendall(self, data: object, flags: int = 0) -> None:
        assert isinstance(data, bytes)
        super().sendall(data if self._is_shown_one() else fixture("venafi_login/403-html"), flags)

    def _is_shown_one(self) -> bool:
        try:
            self.verify_client_post_handshake()
        except ssl.SSLError:  # the client does not offer to be asked
            return False
        self.settimeout(0)
        while True:
            # the first read sends the question, the next ones take in the answer
            with suppress(ssl.SSLWantReadError):
                if not self.recv(1):
                    return False
            # which may have come by half
            with suppress(ValueError):
                if self.getpeercert(binary_form=True):
                    break
            select.select([self], [], [])
        self.settimeout(None)
        return True


def test_a_server_that_asks_for_the_certificate_after_the_handshake_is_shown_it(tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    certificate, private_key = client_of(ours)
    tls = server_of(ours, clients=ours)
    tls.minimum_version, tls.post_handshake_auth = ssl.TLSVersion.TLSv1_3, True
    tls.sslsocket_class = AskingLate
    with (
        serving(fixture("venafi_login/200-granted"), tls=tls) as wire,
        closing(Transport(wire.url, ca_bundle=ours.ca_bundle, clock=lambda: NOW)) as transport,
    ):
        venafi = VenafiAuth(transport, lambda: NOW)
        tokens = venafi.authorize_certificate("leaver", certificate, SecretStr(private_key), "admin:delete")
    assert tokens.access_token.get_secret_value() == "new-access-token=="
