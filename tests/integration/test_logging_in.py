"""Leaver's clients against the simulators: how a connection comes by its first tokens, and by new ones without any."""

import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from pydantic import SecretStr

from leaver.errors import InvalidClient, InvalidGrant, LeaverError, Rejected
from leaver.providers.transport import Transport
from leaver.providers.venafi.api import Role, Venafi
from leaver.providers.zoom.oauth import ZoomOAuth, authorize_url
from leaver.tokens import GrantedTokens
from leaver_cli.connections.consent import code_challenge
from local.simulators.grants import Rotation
from local.simulators.venafi import VenafiSimulator
from local.simulators.zoom import ZoomSimulator
from tests.doubles.canary import shown_by
from tests.doubles.certificates import Authority, authority, client_of, server_of
from tests.integration.simulated_venafi import ROBOT
from tests.integration.simulated_venafi import set_up as set_up_venafi
from tests.integration.simulated_zoom import ADMIN_SCOPES
from tests.integration.simulated_zoom import set_up as set_up_zoom

VERIFIER = SecretStr("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
SECRET = SecretStr("s3cret")
BACK = "http://127.0.0.1:8765/"
SCOPE = "admin:delete;configuration"


def now() -> datetime:
    return datetime.now(tz=UTC)


@pytest.fixture
def zoom() -> Iterator[ZoomSimulator]:
    with ZoomSimulator() as simulator:
        set_up_zoom(simulator)
        simulator.set_visitor("it@example.com")
        yield simulator


@pytest.fixture
def zoom_oauth(zoom: ZoomSimulator) -> Iterator[ZoomOAuth]:
    with closing(Transport(zoom.url, clock=now)) as transport:
        yield ZoomOAuth(transport, now)


def consented(zoom: ZoomSimulator) -> SecretStr:
    url = authorize_url(
        zoom.url,
        client_id="leaver-client",
        redirect_uri=BACK,
        state="state",
        code_challenge=code_challenge(VERIFIER),
    )
    back = requests.get(url, allow_redirects=False, timeout=10).headers["Location"]
    return SecretStr(dict(parse_qsl(urlsplit(back).query))["code"])


def test_a_consent_at_zoom_becomes_a_pair_that_can_be_refreshed(zoom: ZoomSimulator, zoom_oauth: ZoomOAuth) -> None:
    tokens = zoom_oauth.authorization_code("leaver-client", SECRET, consented(zoom), BACK, VERIFIER)
    assert tokens.scope.split() == ADMIN_SCOPES
    assert tokens.refresh_token is not None
    assert now() < tokens.expires_at <= now() + timedelta(hours=1)
    assert zoom_oauth.refresh("leaver-client", SECRET, tokens.refresh_token).refresh_token != tokens.refresh_token


@pytest.mark.parametrize(
    ("wrong", "error", "reason"),
    [
        (
            {"code_verifier": SecretStr("x" * 43)},
            Rejected,
            "the authorization code is not valid, or not any more: begin anew",
        ),
        (
            {"redirect_uri": "http://127.0.0.1:1/"},
            Rejected,
            "redirect_uri: is not the one that was registered or that the code was asked with",
        ),
        (
            {"client_secret": SecretStr("s3cret\n")},
            InvalidClient,
            "Zoom does not accept client_id and client_secret",
        ),
    ],
)
def test_a_code_that_zoom_refuses_is_no_dead_grant(
    zoom: ZoomSimulator, zoom_oauth: ZoomOAuth, wrong: dict[str, Any], error: type[LeaverError], reason: str
) -> None:
    code = consented(zoom)
    right: dict[str, Any] = {"client_secret": SECRET, "redirect_uri": BACK, "code_verifier": VERIFIER}
    with pytest.raises(LeaverError) as caught:
        zoom_oauth.authorization_code("leaver-client", code=code, **right | wrong)
    assert (type(caught.value), caught.value.reason) == (error, reason)
    shown = shown_by(caught.value)
    assert code.get_secret_value() not in shown
    assert VERIFIER.get_secret_value() not in shown


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def robot(ours: Authority) -> tuple[str, str]:
    return client_of(ours)


@pytest.fixture
def venafi_tls(ours: Authority, robot: tuple[str, str]) -> Iterator[VenafiSimulator]:
    # IIS asks every client for a certificate and insists on it for one path only
    tls = server_of(ours, clients=ours, clients_must=ssl.CERT_OPTIONAL)
    with VenafiSimulator(tls=tls) as simulator:
        set_up_venafi(simulator)
        simulator.add_identity(
            ROBOT, "robot", role=Role.GRANT_ADMIN, password="pass-word", jwt="ey.jwt", certificate=robot[0]
        )
        yield simulator


@pytest.fixture
def venafi(venafi_tls: VenafiSimulator, ours: Authority) -> Iterator[Venafi]:
    with closing(Transport(venafi_tls.url, ca_bundle=ours.ca_bundle, clock=now)) as transport:
        yield Venafi(transport, now)


def test_a_robot_logs_in_to_venafi_with_its_certificate(venafi: Venafi, robot: tuple[str, str]) -> None:
    tokens = venafi.authorize_certificate("leaver", robot[0], SecretStr(robot[1]), SCOPE)
    assert tokens.scope == SCOPE
    assert venafi.verify(tokens.access_token).identity == ROBOT
    assert venafi.get_role(tokens.access_token) is Role.GRANT_ADMIN


def test_a_certificate_is_not_shown_to_any_other_endpoint(
    venafi: Venafi, venafi_tls: VenafiSimulator, ours: Authority, robot: tuple[str, str]
) -> None:
    venafi.authorize_certificate("leaver", robot[0], SecretStr(robot[1]), SCOPE)
    with closing(Transport(venafi_tls.url, ca_bundle=ours.ca_bundle, clock=now)) as bare:
        body = {"client_id": "leaver", "scope": SCOPE}
        answer = bare.request("POST", "/vedauth/authorize/certificate", auth=None, json=body)
    assert answer.status == 403


def test_a_certificate_that_stands_for_nobody_is_refused(venafi: Venafi, ours: Authority) -> None:
    certificate, private_key = client_of(ours)
    with pytest.raises(Rejected) as caught:
        venafi.authorize_certificate("leaver", certificate, SecretStr(private_key), SCOPE)
    assert caught.value.reason == "certificate: Venafi does not accept it, or knows no identity that it stands for"


def test_a_certificate_of_another_authority_is_refused_by_tls(venafi: Venafi, tmp_path: Path) -> None:
    certificate, private_key = client_of(authority(tmp_path, "foreign"))
    with pytest.raises(Rejected) as caught:
        venafi.authorize_certificate("leaver", certificate, SecretStr(private_key), SCOPE)
    assert caught.value.reason.endswith("does not accept our client certificate, or wants one")


@pytest.mark.parametrize("how", ["password", "jwt", "certificate"])
def test_a_login_for_more_than_the_application_may_have_is_refused(
    venafi: Venafi, venafi_tls: VenafiSimulator, robot: tuple[str, str], how: str
) -> None:
    with pytest.raises(Rejected) as caught:
        _log_in(venafi, how, robot, "admin:delete,recyclebin")
    assert caught.value.reason == "the application may not ask for these scopes"
    assert venafi_tls.live_grants(ROBOT) == 0


@pytest.mark.parametrize("how", ["password", "jwt", "certificate"])
@pytest.mark.parametrize("rotation", Rotation)
def test_a_dead_refresh_token_is_replaced_by_logging_in_anew_whatever_the_provider_does_about_reuse(
    venafi: Venafi, venafi_tls: VenafiSimulator, robot: tuple[str, str], how: str, rotation: Rotation
) -> None:
    venafi_tls.set_rotation(rotation)
    first = _log_in(venafi, how, robot, SCOPE)
    assert first.refresh_token is not None
    second = venafi.refresh("leaver", first.refresh_token)
    assert second.refresh_token is not None
    venafi.refresh("leaver", second.refresh_token)
    with pytest.raises(InvalidGrant):
        venafi.refresh("leaver", first.refresh_token)
    anew = _log_in(venafi, how, robot, second.scope)
    assert venafi.verify(anew.access_token).scope == SCOPE


def _log_in(venafi: Venafi, how: str, robot: tuple[str, str], scope: str) -> GrantedTokens:
    if how == "password":
        return venafi.authorize_oauth("leaver", "local:robot", SecretStr("pass-word"), scope)
    if how == "jwt":
        return venafi.authorize_jwt("leaver", SecretStr("ey.jwt"), scope)
    return venafi.authorize_certificate("leaver", robot[0], SecretStr(robot[1]), scope)
