"""Which servers the transport believes; certificates are made here, and the server is a real one on loopback."""

import socket
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import SecretStr

from leaver.errors import AnswerLost, NotSent, Rejected
from leaver.providers import transport as transport_module
from leaver.providers.authorization import BearerAuth
from leaver.providers.ca_bundle import CaBundle
from leaver.providers.transport import Transport
from tests.doubles.canary import shown_by
from tests.doubles.certificates import Authority, authority, server_of
from tests.doubles.wire import Play, Wire, serving

SECRET = SecretStr("CANARY-secret")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("foreign"), "foreign")


def transport_to(url: str, ca_bundle: CaBundle | None) -> Transport:
    return Transport(url, ca_bundle=ca_bundle, clock=lambda: datetime.now(tz=UTC))


@contextmanager
def answering(
    tls: ssl.SSLContext, ca_bundle: CaBundle | None, *answers: bytes | Play
) -> Iterator[tuple[Transport, Wire]]:
    with serving(*answers, tls=tls) as wire, closing(transport_to(wire.url, ca_bundle)) as transport:
        yield transport, wire


def ask(transport: Transport) -> int:
    return transport.request("POST", "/x", auth=BearerAuth(SECRET), form={"token": SECRET}).status


def test_a_server_that_our_bundle_vouches_for_is_believed(ours: Authority) -> None:
    with answering(server_of(ours), ours.ca_bundle, OK) as (transport, wire):
        assert ask(transport) == 200
    assert wire.only.headers["authorization"] == "Bearer CANARY-secret"


def test_a_server_of_another_authority_was_sent_nothing(ours: Authority, foreign: Authority) -> None:
    with answering(server_of(foreign), ours.ca_bundle, OK) as (transport, wire), pytest.raises(Rejected) as caught:
        ask(transport)
    assert wire.asked == []
    assert caught.value.reason.startswith(f"the certificate of 127.0.0.1:{wire.port} is not accepted: ")
    assert "CANARY" not in shown_by(caught.value)


def test_a_private_authority_is_not_believed_without_its_bundle(ours: Authority) -> None:
    with answering(server_of(ours), None, OK) as (transport, wire), pytest.raises(Rejected):
        ask(transport)
    assert wire.asked == []


def test_a_certificate_for_another_host_is_not_believed(ours: Authority) -> None:
    tls = server_of(ours, name=x509.DNSName("venafi.example.com"))
    with answering(tls, ours.ca_bundle, OK) as (transport, wire), pytest.raises(Rejected) as caught:
        ask(transport)
    assert wire.asked == []
    assert "IP address mismatch" in caught.value.reason


def test_an_expired_certificate_is_not_believed(ours: Authority) -> None:
    with answering(server_of(ours, expired=True), ours.ca_bundle, OK) as (transport, wire):
        with pytest.raises(Rejected) as caught:
            ask(transport)
        assert wire.asked == []
    assert caught.value.reason == f"the certificate of 127.0.0.1:{wire.port} is not accepted: certificate has expired"


@pytest.mark.parametrize(
    ("lacks", "seen"),
    [
        ("critical basic constraints", "Basic Constraints of CA cert not marked critical"),
        ("key usage", "Path length given without key usage keyCertSign"),
        ("subject key identifier", "Missing Subject Key Identifier"),
        ("authority key identifier", "Missing Authority Key Identifier"),
        ("subjectAltName", "IP address mismatch"),
    ],
)
@pytest.mark.skipif(sys.version_info < (3, 13), reason="Python is strict since 3.13")
def test_a_certificate_that_is_not_complete_is_refused_with_all_that_it_needs(
    tmp_path: Path, lacks: str, seen: str
) -> None:
    made = authority(tmp_path, "incomplete", lacks=lacks)
    with answering(server_of(made, lacks=lacks), made.ca_bundle, OK) as (transport, wire):
        with pytest.raises(Rejected, match=seen) as caught:
            ask(transport)
        assert wire.asked == []
    assert caught.value.reason.endswith(
        "a CA needs basic constraints that are critical, key usage and a subject key identifier; "
        "a server needs an authority key identifier and a subjectAltName with its name"
    )


@pytest.mark.parametrize("page_path", ["README.md", "docs/deploy.md"])
def test_whoever_deploys_reads_the_same(page_path: str) -> None:
    page = (Path(__file__).parents[2] / page_path).read_text()
    for needed in ("basic constraints that are critical", "key usage", "subject key identifier"):
        assert needed in page
    for needed in ("authority key identifier", "subjectAltName with the server's name"):
        assert needed in page


def test_a_bundle_replaces_the_public_roots(ours: Authority) -> None:
    with answering(server_of(ours), ours.ca_bundle, OK) as (transport, _):
        context = transport._session.get_adapter(transport._base_url)._context  # type: ignore[attr-defined]  # our own
        assert len(context.get_ca_certs()) == 1


def test_a_bundle_may_hold_several_authorities(ours: Authority, foreign: Authority, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(foreign.bundle.read_bytes() + ours.bundle.read_bytes())
    with answering(server_of(ours), CaBundle.in_file(both), OK) as (transport, _):
        assert ask(transport) == 200


def test_the_bundle_is_read_once_and_not_for_every_connection(ours: Authority, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(ours.bundle.read_bytes())
    with answering(server_of(ours), CaBundle.in_file(bundle), OK, OK, OK) as (transport, wire):
        transport.load_roots()
        bundle.unlink()
        assert [ask(transport), ask(transport), ask(transport)] == [200, 200, 200]
    assert len(wire.asked) == 3


def test_a_bundle_that_is_not_there_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    transport = transport_to("https://venafi.example.com", CaBundle.in_file(tmp_path / "none.pem"))
    for ask_for_it in (transport.load_roots, lambda: ask(transport)):
        with pytest.raises(Rejected, match=r"none\.pem: can't be read$"):
            ask_for_it()


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_can_not_name_whom_to_believe(
    name: str, ours: Authority, foreign: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(foreign.bundle))
    with answering(server_of(foreign), ours.ca_bundle, OK) as (transport, wire), pytest.raises(Rejected):
        ask(transport)
    assert wire.asked == []
    with answering(server_of(foreign), None, OK) as (transport, wire), pytest.raises(Rejected):
        ask(transport)
    assert wire.asked == []


def test_even_a_session_told_not_to_verify_verifies(ours: Authority, foreign: Authority) -> None:
    with answering(server_of(foreign), ours.ca_bundle, OK, OK) as (transport, wire):
        transport._session.verify = False
        with pytest.raises(Rejected):
            ask(transport)
        transport._session.verify = str(foreign.bundle)
        with pytest.raises(Rejected):
            ask(transport)
    assert wire.asked == []


def test_a_server_that_speaks_no_tls_was_sent_nothing(ours: Authority) -> None:
    def speak_plainly() -> None:
        # closed below: then nobody calls any more
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with ThreadPoolExecutor(1) as pool, socket.create_server(("127.0.0.1", 0)) as listener:
        pool.submit(speak_plainly)
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        with closing(transport_to(f"https://{host}", ours.ca_bundle)) as transport, pytest.raises(NotSent) as caught:
            ask(transport)
        listener.shutdown(socket.SHUT_RDWR)
    assert caught.value.reason == f"{host} can't be reached (name, connection or TLS)"


def test_a_server_that_never_shakes_hands_was_sent_nothing(ours: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "CONNECT_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as nobody_accepts:
        url = f"https://127.0.0.1:{nobody_accepts.getsockname()[1]}"
        with closing(transport_to(url, ours.ca_bundle)) as transport, pytest.raises(NotSent):
            ask(transport)


def test_an_answer_that_breaks_off_under_tls_is_lost(ours: Authority) -> None:
    for play in (Play(), Play(ending="reset"), Play(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")):
        with answering(server_of(ours), ours.ca_bundle, play, OK) as (transport, wire), pytest.raises(AnswerLost):
            ask(transport)
        assert len(wire.asked) == 1


@contextmanager
def shaking_hands(tls: ssl.SSLContext) -> Iterator[tuple[str, list[str]]]:
    """A server that keeps its connections: gives its URL, and tells of handshakes and requests in their order."""
    told: list[str] = []
    kept: list[ssl.SSLSocket] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError):
            spoken = tls.wrap_socket(connection, server_side=True)
            kept.append(spoken)
            told.append("handshake")
            while spoken.recv(65_536):
                told.append("request")
                spoken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def accept(pool: ThreadPoolExecutor) -> None:
        with suppress(OSError):
            while True:
                pool.submit(serve, listener.accept()[0])

    with ThreadPoolExecutor(12) as pool, socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = pool.submit(accept, pool)
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}", told
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.result()
            for each in kept:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()


def test_connections_that_were_opened_ahead_are_those_that_requests_take(ours: Authority) -> None:
    with shaking_hands(server_of(ours)) as (url, told), closing(transport_to(url, ours.ca_bundle)) as transport:
        transport.open(10)
        # TLS 1.3 is done for the client a moment before it is for the server
        with ThreadPoolExecutor(10) as side_by_side:
            answers = side_by_side.map(lambda _: transport.request("GET", "/x", auth=None).status, range(10))
            assert list(answers) == [200] * 10
        assert (told.count("handshake"), told.index("request")) == (10, 10)


def test_a_connection_that_the_server_gave_up_is_not_taken_for_one_with_a_ticket(ours: Authority) -> None:
    with answering(server_of(ours), ours.ca_bundle, OK.replace(b"Connection: close\r\n", b""), OK) as (transport, wire):
        assert [ask(transport), ask(transport)] == [200, 200]
    assert len(wire.asked) == 2


def test_a_server_that_is_not_believed_is_not_believed_when_connections_are_opened_ahead(
    ours: Authority, foreign: Authority
) -> None:
    with shaking_hands(server_of(foreign)) as (url, told), closing(transport_to(url, ours.ca_bundle)) as transport:
        transport.open(3)
        with pytest.raises(Rejected, match="is not accepted"):
            ask(transport)
        assert "request" not in told


def test_a_host_that_can_not_be_reached_is_told_of_by_the_request(ours: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        host = f"127.0.0.1:{gone.getsockname()[1]}"
    with closing(transport_to(f"https://{host}", ours.ca_bundle)) as transport:
        transport.open(2)
        with pytest.raises(NotSent, match="can't be reached"):
            ask(transport)


def test_plain_http_opens_nothing_ahead() -> None:
    with serving(OK) as wire, closing(transport_to(wire.url, None)) as transport:
        transport.open(10)
        assert ask(transport) == 200
