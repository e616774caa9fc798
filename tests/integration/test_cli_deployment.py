"""What the command line learns of a deployed stack from the stack itself, on moto."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from pydantic import SecretStr

from leaver.connections.record import Connection, Role, Status
from leaver.errors import LeaseHeld, ProviderUnavailable, Rejected
from leaver.providers.venafi.api import Venafi
from leaver.providers.venafi.entry import VENAFI
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.tokens import GrantedTokens, TokenSet
from leaver_cli.connections import disconnect
from leaver_cli.connections.request import ConnectionRequest, Consenter, Target
from leaver_cli.deployment import Deployment, NoSuchStack, WrongClock, describe
from tests.doubles.certificates import authority
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.secrets_manager import PARENT

REGION = "eu-central-1"
KEY = f"arn:aws:kms:{REGION}:123456789012:key/1"
PARAMETERS = {
    "ZoomApiUrl": "https://api.zoom.us/v2",
    "ZoomOAuthUrl": "https://zoom.us",
    "VenafiUrl": "https://tpp.example.com",
    "VenafiCaBundle": "",
}


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


def deploy(name: str, outputs: Mapping[str, str], **parameters: str) -> None:
    own = PARAMETERS | parameters
    template = {
        "Parameters": {each: {"Type": "String"} for each in own},
        "Resources": {},
        "Outputs": {each: {"Value": value} for each, value in outputs.items()},
    }
    boto3.client("cloudformation", region_name=REGION).create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": each, "ParameterValue": value} for each, value in own.items()],
    )


def deployed(**parameters: str) -> Deployment:
    tables = {
        "ConnectionsTable": "leaver-Connections-1A2B",
        "CasesTable": "leaver-Cases-3C4D",
        "DeliveriesTable": "leaver-Deliveries-5E6F",
    }
    deploy("leaver", {**tables, "KeyArn": KEY, "SecretPrefix": "acme"}, **parameters)
    return describe("leaver", REGION, None)


def test_secrets_go_below_the_stacks_prefix_and_under_its_key() -> None:
    deployed().secret_store.store_credentials("zoom/zoom", SecretStr("{}"))
    [secret] = boto3.client("secretsmanager", region_name=REGION).list_secrets()["SecretList"]
    assert (secret["Name"], secret["KmsKeyId"]) == ("acme/credentials/zoom/zoom", KEY)


def test_the_record_goes_into_the_table_that_the_stack_names() -> None:
    assert deployed().connections._items._table == "leaver-Connections-1A2B"


def test_cases_are_read_from_the_table_that_the_stack_names() -> None:
    assert deployed().cases._items._table == "leaver-Cases-3C4D"


def test_another_stack_and_one_that_is_not_there_are_told_by_name() -> None:
    with pytest.raises(NoSuchStack, match=rf"^there is no stack leaver in {REGION}: is it called so \(--stack\)"):
        describe("leaver", REGION, None)
    deploy("other", {})
    with pytest.raises(NoSuchStack, match=r"^stack other is not Leaver's, or not deployed yet"):
        describe("other", REGION, None)


def test_venafi_is_trusted_by_the_certificates_that_the_functions_trust(tmp_path: Path) -> None:
    secret_store = boto3.client("secretsmanager", region_name=REGION)
    secret_store.create_secret(Name="acme/venafi-ca", SecretString=authority(tmp_path, "ours").bundle.read_text())
    assert deployed(VenafiCaBundle="acme/venafi-ca").client(Venafi, VENAFI.host)
    secret_store.put_secret_value(SecretId="acme/venafi-ca", SecretString="no certificate")
    with pytest.raises(Rejected, match=r"^secret acme/venafi-ca: holds no certificates in PEM$"):
        describe("leaver", REGION, None).client(Venafi, VENAFI.host)


def test_who_connects_it_anew_while_it_is_being_forgotten_keeps_their_secrets() -> None:
    it = deployed()
    it.secret_store.store_first(
        "zoom/zoom", PARENT, TokenSet.model_validate({"access_token": "access-2", "expires_at": datetime.now(UTC)})
    )
    # read as revoked, and connected by somebody else since
    record = connection(status=Status.ACTIVE)
    meanwhile = replace(it, connections=InMemoryConnections(record))

    def still_revoked(standing: Connection) -> Connection | None:
        return standing if standing.status is Status.REVOKED else None

    with pytest.raises(LeaseHeld, match=r"^connection zoom was connected anew meanwhile$"):
        disconnect._take_lease(meanwhile, "zoom", still_revoked)
    assert it.secret_store.tokens("zoom/zoom", PARENT)


def test_nobody_else_changes_a_connection_whose_secrets_are_destroyed() -> None:
    it = deployed()
    held = connection(lease_holder="connect#1", leased_at=datetime.now(UTC))
    connections = InMemoryConnections(held)
    with pytest.raises(LeaseHeld, match=r"^connection zoom: connect is under way$"):
        disconnect._remove(replace(it, connections=connections), held)
    assert connections.records["zoom"] == held


@pytest.mark.parametrize(("ahead", "which"), [(61, "behind"), (-61, "ahead of")])
def test_a_clock_that_is_wrong_by_more_than_a_minute_is_refused(ahead: int, which: str) -> None:
    it = replace(deployed(), ahead=timedelta(seconds=ahead))
    with pytest.raises(WrongClock, match=rf"^this machine's clock is 61 seconds {which} AWS's: set it, and try again$"):
        it.check_the_clock()


@pytest.mark.parametrize("ahead", [-60, 0, 60])
def test_a_clock_that_is_a_little_wrong_will_do(ahead: int) -> None:
    replace(deployed(), ahead=timedelta(seconds=ahead)).check_the_clock()


def established(role: Role, consenter: Callable[[SecretStr], Consenter | None] | None = None) -> Connection:
    """The record of a new connection to acme, whose owner was written in capitals."""
    connections = InMemoryConnections()
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    granted = GrantedTokens.model_validate({"access_token": "access-1", "expires_at": expires_at, "scope": "x"})
    new = ConnectionRequest(
        provider="zoom",
        account="acme",
        grant_type="account_credentials",
        credentials=ZoomCredentials(client_id="app", client_secret=SecretStr("secret"), account_id="acme"),
        obtain=lambda: granted,
        check=lambda _: [],
        find_consenter=consenter,
    )
    replace(deployed(), connections=connections).establish(new, Target("zoom", " Ada@Example.COM ", role))
    return connections.records["zoom"]


def test_an_owner_is_kept_as_people_are_remembered_so_that_their_leaving_finds_it() -> None:
    assert established("service").owner == "ada@example.com"


def no_answer(_: SecretStr) -> Consenter | None:
    raise ProviderUnavailable("out of order")


@pytest.mark.parametrize(
    ("role", "consenter", "kept"),
    [
        ("personal", lambda _: Consenter("ada-at-zoom", "ada@example.com", "acme"), "ada-at-zoom"),
        ("personal", lambda _: Consenter("ada-at-zoom", "ada@example.com", None), "ada-at-zoom"),
        # Of another account's id this account can't tell whose it is, and a service connection is not one person's.
        ("personal", lambda _: Consenter("ada-at-zoom", "ada@example.com", "europe"), None),
        ("service", lambda _: Consenter("ada-at-zoom", "ada@example.com", "acme"), None),
        ("personal", lambda _: None, None),
        ("personal", no_answer, None),
        ("personal", None, None),
    ],
)
def test_a_personal_connection_keeps_the_accounts_own_id_of_who_consented(
    role: Role, consenter: Callable[[SecretStr], Consenter | None] | None, kept: str | None
) -> None:
    assert established(role, consenter).owner_id == kept
