"""Logging in to Venafi with a client certificate, over real TLS on loopback."""

import json
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from leaver.errors import InvalidClient, LeaverError, ProviderUnavailable, Rejected
from leaver.providers import client_certificate
from leaver.providers.transport import Transport
from leaver.providers.venafi.oauth import VenafiAuth
from leaver.tokens import GrantedTokens
from tests.doubles.canary import shown_by
from tests.doubles.certificates import Authority, authority, client_of, server_of
from tests.doubles.wire import Wire, fixture, serving

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SCOPE = "admin:delete;configuration"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("foreign"), "foreign")


@contextmanager
def venafi_answering(
    *answers: str, tls: ssl.SSLContext | None, roots: Authority | None
) -> Iterator[tuple[VenafiAuth, Wire]]:
    raw = [fixture(f"venafi_login/{answer}") for answer in answers]
    bundle = roots.ca_bundle if roots else None
    with serving(*raw, tls=tls) as wire, closing(Transport(wire.url, ca_bundle=bundle, clock=lambda: NOW)) as transport:
        yield VenafiAuth(transport, lambda: NOW), wire


def log_in(venafi: VenafiAuth, certificate: str, private_key: str) -> GrantedTokens:
    return venafi.authorize_certificate("leaver", certificate, SecretStr(private_key), SCOPE)


def test_the_certificate_is_shown_and_brings_tokens(ours: Authority) -> None:
    with venafi_answering("200-granted", tls=server_of(ours, clients=ours), roots=ours) as (venafi, wire):
        tokens = log_in(venafi, *client_of(ours))
    assert tokens.access_token.get_secret_value() == "new-access-token=="
    assert (wire.only.method, wire.only.target) == ("POST", "/vedauth/authorize/certificate")
    assert json.loads(wire.only.body) == {"client_id": "leaver", "scope": "admin:delete;configuration"}
    assert "authorization" not in wire.only.headers


def test_no_other_request_shows_it(ours: Authority) -> None:
    tls = server_of(ours, clients=ours)
    with venafi_answering("200-granted", "200-granted", tls=tls, roots=ours) as (venafi, wire):
        log_in(venafi, *client_of(ours))
        with pytest.raises(Rejected):
            venafi.authorize_jwt("leaver", SecretStr("CANARY-jwt"), SCOPE)
    assert len(wire.asked) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_of_another_authority_is_refused_before_anything_is_read(
    ours: Authority, foreign: Authority, version: ssl.TLSVersion
) -> None:
    tls = server_of(ours, clients=ours)
    tls.maximum_version = version
    with venafi_answering("200-granted", tls=tls, roots=ours) as (venafi, wire), pytest.raises(Rejected) as caught:
        log_in(venafi, *client_of(foreign))
    assert wire.asked == []
    assert caught.value.reason == f"127.0.0.1:{wire.port} does not accept our client certificate, or wants one"
    assert "PRIVATE KEY" not in shown_by(caught.value)


def test_a_server_of_another_authority_is_shown_nothing(ours: Authority, foreign: Authority) -> None:
    tls = server_of(foreign, clients=ours)
    with venafi_answering("200-granted", tls=tls, roots=ours) as (venafi, wire), pytest.raises(Rejected) as caught:
        log_in(venafi, *client_of(ours))
    assert wire.asked == []
    assert caught.value.reason.startswith(f"the certificate of 127.0.0.1:{wire.port} is not accepted")


def test_the_bundle_may_be_gone_by_then(ours: Authority, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes("# Főtanúsítvány\n".encode() + ours.bundle.read_bytes())
    copy = Authority(bundle, ours.certificate, ours.key)
    with venafi_answering(*["200-granted"] * 2, tls=server_of(ours, clients=ours), roots=copy) as (venafi, _):
        assert log_in(venafi, *client_of(ours)).scope == SCOPE
        bundle.unlink()
        assert log_in(venafi, *client_of(ours)).scope == SCOPE


def test_without_tls_there_is_nothing_to_show_it_under(ours: Authority) -> None:
    with venafi_answering("200-granted", tls=None, roots=None) as (venafi, wire), pytest.raises(Rejected) as caught:
        log_in(venafi, *client_of(ours))
    assert wire.asked == []
    assert caught.value.reason == "certificate and private_key: a client certificate can be shown under TLS only"


@pytest.mark.parametrize("what", ["another key", "an encrypted key", "no PEM", "nothing"])
def test_what_is_no_pair_is_said_without_being_shown(
    ours: Authority, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    certificate, private_key = client_of(ours)
    wrong = {
        "another key": (certificate, client_of(ours)[1]),
        "an encrypted key": client_of(ours, password=b"CANARY-passphrase"),
        "no PEM": (certificate, "CANARY-key"),
        "nothing": ("", private_key),
    }[what]
    with venafi_answering("200-granted", tls=server_of(ours), roots=ours) as (venafi, wire):
        with pytest.raises(Rejected) as caught:
            log_in(venafi, *wrong)
        assert wire.asked == []
    assert caught.value.reason == (
        "certificate and private_key: not a certificate and its private key, unencrypted, in PEM"
    )
    shown = shown_by(caught.value)
    assert "PRIVATE KEY" not in shown
    assert "CANARY" not in shown
    # nor is a terminal asked for a passphrase
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        (
            "400-invalid-grant",
            Rejected,
            "certificate: Venafi does not accept it, or knows no identity that it stands for",
        ),
        ("403-html", Rejected, "certificate: the web server before Venafi did not see it, or does not trust it"),
        ("400-invalid-client", InvalidClient, "Venafi does not accept the client_id"),
        ("503-html", ProviderUnavailable, "Venafi is out of order"),
    ],
)
def test_a_certificate_that_is_refused_says_what_to_look_at(
    ours: Authority, name: str, error: type[LeaverError], reason: str
) -> None:
    certificate, private_key = client_of(ours)
    with (
        venafi_answering(name, tls=server_of(ours, clients=ours), roots=ours) as (venafi, wire),
        pytest.raises(LeaverError) as caught,
    ):
        log_in(venafi, certificate, private_key)
    assert type(caught.value) is error
    assert caught.value.reason == reason
    assert len(wire.asked) == 1
    assert private_key.splitlines()[1] not in shown_by(caught.value)


def test_a_private_key_touches_no_disk(ours: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[tuple[Path, str]] = []
    load_cert_chain = ssl.SSLContext.load_cert_chain

    def watched(self: ssl.SSLContext, path: str, **other: Any) -> None:
        files.append((Path(path), str(Path(path).readlink())))
        load_cert_chain(self, path, **other)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    certificate, private_key = client_of(ours)
    client_certificate.context(ours.ca_bundle, certificate, SecretStr(private_key))
    ((file, content),) = files
    assert content == "/memfd:leaver (deleted)"
    assert not file.exists()
