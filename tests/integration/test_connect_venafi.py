"""`leaver connect venafi` against the simulator, up to where tokens are written into a stack."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from leaver.consuming.answers import Answer
from leaver_cli.connections.connect_venafi import SCOPE
from local.simulators.venafi import VenafiSimulator
from local.simulators.venafi_state import Role
from tests.doubles.certificates import Authority, authority, client_of, server_of
from tests.integration.connecting import Stack
from tests.integration.simulated_venafi import ROBOT
from tests.integration.simulated_venafi import set_up as set_up_venafi
from tests.integration.simulated_zoom import sha256


@pytest.fixture
def stack(venafi: VenafiSimulator, ours: Authority) -> Stack:
    return Stack(venafi_url=venafi.url, venafi_ca_bundle=ours.ca_bundle)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture
def venafi(ours: Authority, tmp_path: Path) -> Iterator[VenafiSimulator]:
    certificate, private_key = client_of(ours)
    (tmp_path / "robot.pem").write_text(certificate)
    (tmp_path / "robot.key").write_text(private_key)
    (tmp_path / "jwt").write_text("ey.jwt\n")
    tls = server_of(ours, clients=ours, clients_must=ssl.CERT_OPTIONAL)
    with VenafiSimulator(tls=tls) as simulator:
        set_up_venafi(simulator)
        simulator.add_identity(
            ROBOT, "robot", role=Role.GRANT_ADMIN, password="pass-word", jwt="ey.jwt", certificate=certificate
        )
        yield simulator


OPTIONS = ("--client-id", "leaver", "--owner", "it@example.com")


def logins(folder: Path) -> dict[str, list[object]]:
    certificate = ["--certificate-file", folder / "robot.pem", "--private-key-file", folder / "robot.key"]
    return {
        "password": ["--username", "local:robot", "--password-file", "-"],
        "jwt": ["--jwt-file", folder / "jwt"],
        "certificate": certificate,
    }


@pytest.mark.parametrize("grant_type", ["password", "jwt", "certificate"])
def test_a_robot_is_connected_to_venafi_by_each_way_to_log_in(
    stack: Stack, venafi: VenafiSimulator, tmp_path: Path, grant_type: str
) -> None:
    how = logins(tmp_path)[grant_type]
    options = [*OPTIONS, "--grant-type", grant_type, *how]
    result = stack.leaver("venafi", *options, answer="pass-word\n")
    assert result.exit_code == 0, result.output
    assert (stack.new.provider, stack.new.grant_type) == ("venafi", grant_type)
    assert stack.new.account == venafi.url.removeprefix("https://")
    assert stack.tokens.scope == "admin:delete;configuration"
    assert venafi.live_token_kind(sha256(stack.tokens.access_token.get_secret_value())) == "access"
    kept = stack.credentials
    if grant_type == "password":
        assert kept == {"client_id": "leaver", "username": "local:robot", "password": "pass-word"}
    if grant_type == "jwt":
        assert kept == {"client_id": "leaver", "jwt": "ey.jwt"}
    if grant_type == "certificate":
        assert kept["certificate"].strip() == (tmp_path / "robot.pem").read_text().strip()
        assert kept["private_key"] == (tmp_path / "robot.key").read_text().strip()
    for secret in ("pass-word", "ey.jwt", "PRIVATE KEY"):
        assert secret not in result.output + repr(stack.made)


ALONE = "scope admin:delete is missing, and admin alone is not enough: revoke_grants can't revoke"
NO_DELETE = "scope admin:delete is missing: revoke_grants can't revoke"
NO_NAMES = "scope configuration is missing: revoke_grants can't find people by name or e-mail address"
NO_ROLE = "OAuth role GrantAdmin (or Admin) is missing, it is {}: revoke_grants can't revoke other people's grants"


@pytest.mark.parametrize(
    ("scope", "role", "missing"),
    [
        ("admin:delete,recyclebin;configuration", Role.ADMIN, []),
        ("admin;configuration", Role.GRANT_ADMIN, [ALONE]),
        ("certificate:manage", Role.GRANT_ADMIN, [NO_DELETE, NO_NAMES]),
        ("admin:delete;configuration", Role.AUDITOR, [NO_ROLE.format("Auditor")]),
        ("admin:delete", Role.MIXED_OWNER_MAINTAINER, [NO_NAMES, NO_ROLE.format("MixedOwnerMaintainer")]),
    ],
)
def test_exactly_what_the_robot_lacks_is_named_and_the_tokens_kept(
    stack: Stack, venafi: VenafiSimulator, scope: str, role: Role, missing: list[str]
) -> None:
    venafi.add_application("leaver", scope="admin:delete,recyclebin;configuration;certificate:manage")
    venafi.set_role(ROBOT, role)
    options = [*OPTIONS, "--grant-type", "password", "--username", "robot", "--scope", scope]
    result = stack.leaver("venafi", *options, "--password-file", "-", answer="pass-word")
    assert result.output.splitlines()[1:-1] == missing
    assert result.exit_code == (1 if missing else 0)
    assert len(stack.kept) == 1


def test_a_role_that_can_not_be_asked_for_loses_no_tokens(stack: Stack, venafi: VenafiSimulator) -> None:
    venafi.inject("/vedsdk/oauth/GetRole", handling="skip", reply="venafi/503-html")
    options = [*OPTIONS, "--grant-type", "password", "--username", "robot"]
    result = stack.leaver("venafi", *options, answer="pass-word\n")
    assert result.exit_code == 1
    assert "the identity's OAuth role could not be checked: Venafi is out of order" in result.output
    assert len(stack.kept) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scope", "admin:delete;ssh"], "for admin:delete;ssh"),
        (["--username", "ada"], "username and password: Venafi does not accept them"),
        (["--client-id", "nobody"], "Venafi does not accept the client_id"),
    ],
)
def test_what_venafi_refuses_is_said(stack: Stack, venafi: VenafiSimulator, options: list[str], said: str) -> None:
    login = ["--grant-type", "password", "--username", "robot", "--password-file", "-"]
    result = stack.leaver("venafi", *OPTIONS, *login, *options, answer="pass-word")
    assert result.exit_code == 1
    assert said in result.output
    assert venafi.live_grants(ROBOT) == 0
    assert stack.kept == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--grant-type", "certificate"], "--certificate-file and --private-key-file: are both needed"),
    ],
)
def test_a_login_that_can_not_be_right_is_said_before_anybody_is_asked(
    stack: Stack, venafi: VenafiSimulator, options: list[str], said: str
) -> None:
    result = stack.leaver("venafi", *OPTIONS, *options, answer="ey.jwt")
    assert result.exit_code == 2
    assert said in result.output
    assert venafi.journal() == []


BY_PASSWORD = ("--grant-type", "password", "--username", "local:robot", "--password-file", "-")
FROM_LAMBDA = (*OPTIONS, *BY_PASSWORD, "--from-lambda")


def from_lambda(stack: Stack, **proved: object) -> Result:
    stack.proved = proved
    return stack.leaver("venafi", "far", *FROM_LAMBDA, answer="pass-word\n")


@pytest.mark.parametrize("far", [(), ("--from-lambda",)])
def test_what_is_not_given_is_asked_for_and_the_password_is_not_shown(stack: Stack, far: tuple[str, ...]) -> None:
    stack.proved = {"status": "active"}
    result = stack.leaver("venafi", *far, answer="leaver\npassword\nit@example.com\nlocal:robot\npass-word\n")
    assert result.exit_code == 0, result.output
    assert "venafi is connected" in result.output
    assert (len(stack.made), len(stack.logins)) == ((0, 1) if far else (1, 0))
    assert "pass-word" not in result.output


def test_beside_a_certificate_who_asks_and_who_owns_it_are_asked_for(
    stack: Stack, venafi: VenafiSimulator, tmp_path: Path
) -> None:
    how = logins(tmp_path)["certificate"]
    result = stack.leaver("venafi", "--grant-type", "certificate", *how, answer="leaver\nit@example.com\n")
    assert result.exit_code == 0, result.output
    assert "Client ID: " in result.output
    assert venafi.live_token_kind(sha256(stack.tokens.access_token.get_secret_value())) == "access"


def test_from_lambda_this_machine_says_nothing_to_venafi_and_the_function_logs_in(
    stack: Stack, venafi: VenafiSimulator
) -> None:
    stack.answer = Answer(delivery="preview#1", found={"scope": "admin:delete;configuration"}, expires_at=0)
    result = from_lambda(stack, status="active")
    assert result.exit_code == 0, result.output
    assert "far is connected from where the functions run, its access token lives until" in result.output
    [(login, target, timeout)] = stack.logins
    assert (login.grant_type, login.scope, target.name, timeout) == ("password", SCOPE, "far", 120)
    assert (venafi.journal(), stack.made) == ([], [])


def test_what_keeps_a_function_from_logging_in_is_said(stack: Stack) -> None:
    result = from_lambda(stack, status="connecting", reason="venafi.invalid: its certificate is not accepted")
    assert (result.exit_code, stack.owners) == (1, [])
    assert "far is not connected: venafi.invalid: its certificate is not accepted" in result.output


def test_that_no_function_has_tried_is_said(stack: Stack) -> None:
    assert "no function has tried it within 120 seconds" in from_lambda(stack, status="connecting").output


@pytest.mark.parametrize(
    ("found", "because", "said"),
    [
        ({"nobody": True}, None, "its owner it@example.com is not known to zoom, so that nobody notices"),
        ({}, "429", "whether zoom knows it@example.com could not be asked: 429"),
    ],
)
def test_what_a_function_says_of_the_owner_and_what_is_amiss_besides_is_said(
    stack: Stack, found: dict[str, object], because: str | None, said: str
) -> None:
    stack.answer = Answer(delivery="preview#1", found=found, because=because, expires_at=0)
    stack.amiss = ["zoom is one of Providers and has no connection"]
    result = stack.leaver("venafi", *OPTIONS, *BY_PASSWORD, answer="pass-word\n")
    assert result.exit_code == 0, result.output
    assert said in result.output
    assert stack.amiss[0] in result.output
