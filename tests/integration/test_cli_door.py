"""`leaver door` against a stack on moto: who may post, and how a secret is rotated without losing a delivery."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from leaver.webhooks.places import Places
from leaver.webhooks.proofs import standard_key
from leaver.webhooks.sources import SOURCES
from tests.integration.dynamodb import dynamodb, make_tables
from tests.integration.parked_stack import REGION, leaver, world_on_moto
from tests.integration.test_cli_hostile_text import HOSTILE, check
from tests.integration.test_cli_json_page import said_as_documented

URL = "https://abc123.execute-api.eu-central-1.amazonaws.com"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with world_on_moto(monkeypatch):
        make_tables(dynamodb())
        key = boto3.client("kms", region_name=REGION).create_key()["KeyMetadata"]["Arn"]
        tables = {f"{each}Table": each for each in ("Connections", "Cases", "Deliveries")}
        outputs = {**tables, "KeyArn": key, "SecretPrefix": "leaver"}
        told = {name: {"Value": value} for name, value in {**outputs, "FrontDoorUrl": URL}.items()}
        boto3.client("cloudformation", region_name=REGION).create_stack(
            StackName="leaver", TemplateBody=json.dumps({"Resources": {}, "Outputs": told})
        )
        yield boto3.client("secretsmanager", region_name=REGION)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def stored(secrets: Any, connection: str) -> dict[str, str]:
    text = secrets.get_secret_value(SecretId=f"leaver/webhooks/{connection}")["SecretString"]
    found: dict[str, str] = json.loads(text)
    return found


def rotate(connection: str, given: Path, secret: str) -> str:
    given.write_text(secret + "\n")
    result = leaver("door", "rotate", connection, "--secret-file", str(given))
    assert secret not in result.output
    return result.output


def test_a_first_secret_counts_at_once(secrets: Any, given: Path) -> None:
    assert rotate("hibob/main", given, "first") == "hibob/main: the secret counts\n"
    assert stored(secrets, "hibob/main") == {"current": "first"}


def test_while_a_secret_is_rotated_both_count(secrets: Any, given: Path) -> None:
    rotate("hibob/main", given, "first")
    assert "both secrets count" in rotate("hibob/main", given, "second")
    assert stored(secrets, "hibob/main") == {"current": "second", "previous": "first"}
    assert leaver("door", "rotate", "hibob/main", "--finish").exit_code == 0
    assert stored(secrets, "hibob/main") == {"current": "second"}


def test_a_third_secret_drops_none_that_a_sender_may_still_sign_with(secrets: Any, given: Path) -> None:
    for secret in ("first", "second"):
        rotate("hibob/main", given, secret)
    given.write_text("third")
    result = leaver("door", "rotate", "hibob/main", "--secret-file", str(given))
    assert (result.exit_code, "the last rotation is not over" in result.output) == (1, True)
    assert stored(secrets, "hibob/main") == {"current": "second", "previous": "first"}


def test_a_standard_secret_is_made_and_shown_once(secrets: Any) -> None:
    shown = leaver("door", "rotate", "standard/main").output
    made = stored(secrets, "standard/main")["current"]
    assert len(standard_key(made)) == 32
    assert made in shown
    assert made not in leaver("door").output


def test_a_standard_secret_that_is_none_is_not_stored(secrets: Any, given: Path) -> None:
    given.write_text("hunter2")
    result = leaver("door", "rotate", "standard/main", "--secret-file", str(given))
    assert (result.exit_code, "expected whsec_" in result.output, "hunter2" in result.output) == (1, True, False)
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        stored(secrets, "standard/main")


def test_gustos_secret_is_waited_for_and_taken_when_a_person_says_so(secrets: Any) -> None:
    assert "waits until" in leaver("door", "rotate", "gusto/main").output
    until = datetime.fromisoformat(stored(secrets, "gusto/main")["open_until"])
    assert timedelta(minutes=14) < until - datetime.now(UTC) <= timedelta(minutes=15)
    assert "waits for the sender's until" in leaver("door").output
    # What the door does.
    secrets.put_secret_value(SecretId="leaver/webhooks/gusto/main", SecretString='{"offered": "token"}')
    assert "offered: token" in leaver("door", "rotate", "gusto/main", answer="y\n").output
    assert stored(secrets, "gusto/main") == {"current": "token"}


def test_an_offer_that_gusto_does_not_know_is_thrown_away(secrets: Any) -> None:
    text = '{"current": "old", "offered": "forged"}'
    secrets.create_secret(Name="leaver/webhooks/gusto/main", SecretString=text)
    assert "thrown away" in leaver("door", "rotate", "gusto/main", answer="n\n").output
    assert stored(secrets, "gusto/main") == {"current": "old"}


@pytest.mark.parametrize("name", ["hibob", "personio/main", "hibob/Main", "hibob/../x", "/hibob/main", "hibob/main/"])
def test_what_is_no_connection_of_the_door_is_refused(secrets: Any, name: str) -> None:
    result = leaver("door", "rotate", name)
    assert (result.exit_code, ", ".join(SOURCES) in result.output) == (2, True)
    assert secrets.list_secrets()["SecretList"] == []


def test_the_door_shows_addresses_and_states_and_no_secret(secrets: Any, given: Path) -> None:
    for secret in ("canary-first", "canary-second"):
        rotate("hibob/main", given, secret)
    rotate("zoom/main", given, "canary-zoom")
    secrets.create_secret(Name="leaver/tokens/zoom/main", SecretString="{}")
    shown = leaver("door").output
    assert "canary" not in shown
    assert "tokens" not in shown
    assert f"{URL}/hibob/main" in shown
    told = json.loads(leaver("door", "--json").output)["connections"]
    assert [(each["connection"], each["address"], each["secrets"]) for each in told] == [
        ("hibob/main", f"{URL}/hibob/main", "current, previous"),
        ("zoom/main", f"{URL}/zoom/main", "current"),
    ]


def test_a_secret_that_nobody_can_read_hides_no_other(secrets: Any, given: Path) -> None:
    secrets.create_secret(Name="leaver/webhooks/gusto/main", SecretString="no JSON")
    rotate("hibob/main", given, "first")
    told = json.loads(leaver("door", "--json").output)["connections"]
    assert [each["connection"] for each in told] == ["gusto/main", "hibob/main"]
    assert told[0]["secrets"].startswith("can't be used: secret leaver/webhooks/gusto/main: ")


@pytest.mark.usefixtures("secrets")
def test_a_person_says_how_long_a_source_may_be_silent(given: Path) -> None:
    assert "leaver door rotate hibob/main" in leaver("door", "silence", "hibob/main", "30").output
    rotate("hibob/main", given, "first")
    places = Places(dynamodb(), table="Deliveries")
    assert places.connected()["hibob/main"].silent_after == timedelta(days=7)
    assert leaver("door", "silence", "hibob/main", "30").exit_code == 0
    rotate("hibob/main", given, "second")
    assert places.connected()["hibob/main"].silent_after == timedelta(days=30)
    leaver("door", "silence", "hibob/main", "0")
    assert not places.connected()["hibob/main"].is_silent(datetime.now(UTC) + timedelta(days=999))


def test_the_door_shows_who_spoke_when_and_who_is_silent_for_too_long(secrets: Any) -> None:
    now, places = datetime.now(UTC), Places(dynamodb(), table="Deliveries")
    places.connect("gusto/main", now - timedelta(days=9))
    places.connect("hibob/main", now - timedelta(days=9))
    places.note_spoken("hibob/main", now - timedelta(days=2))
    secrets.create_secret(Name="leaver/webhooks/okta/by-hand", SecretString='{"current": "x"}')
    told = {each["connection"]: each for each in json.loads(leaver("door", "--json").output)["connections"]}
    assert {place: (each["last_event"], each["silence"]) for place, each in told.items()} == {
        "gusto/main": ("none yet", "9 days of 7: rings"),
        "hibob/main": (f"{now - timedelta(days=2):%Y-%m-%d %H:%M:%S}Z", "2 days of 7"),
        "okta/by-hand": ("not connected: leaver door silence", None),
    }
    assert told["okta/by-hand"]["secrets_since"].endswith(" (0 days)")
    assert leaver("door", "silence", "okta/by-hand", "7").exit_code == 0
    assert "okta/by-hand" in places.connected()


@pytest.mark.usefixtures("secrets")
def test_the_door_shows_what_was_refused_within_a_day_and_why() -> None:
    def refused(hours: int, stack: str = "leaver", **told: str) -> dict[str, Any]:
        named = {"service": "leaver", "stack": stack, **told}
        dimensions = [{"Name": name, "Value": value} for name, value in named.items()]
        at = datetime.now(UTC) - timedelta(hours=hours)
        return {"MetricName": "WebhooksRefused", "Dimensions": dimensions, "Timestamp": at, "Value": 1.0}

    boto3.client("cloudwatch", region_name=REGION).put_metric_data(
        Namespace="Leaver",
        MetricData=[
            refused(1, source="hibob", reason="wrong_signature"),
            refused(5, source="hibob", reason="wrong_signature"),
            refused(30, source="hibob", reason="stale"),
            refused(1, source="okta", reason="no_signature", stack="another"),
            # What alarms count, by no source.
            refused(1),
        ],
    )
    expected = [{"source": "hibob", "reason": "wrong_signature", "count": 2}]
    Places(dynamodb(), table="Deliveries").connect("hibob/main", datetime.now(UTC))
    printed = leaver("door", "--json").output
    assert json.loads(printed)["refused"] == expected
    said_as_documented("door", printed)
    assert "refused within a day: hibob wrong_signature: 2" in leaver("door").output


def test_hostile_text_in_what_the_door_shows_commands_no_terminal(secrets: Any) -> None:
    places = Places(dynamodb(), table="Deliveries")
    places.connect(f"gusto/{HOSTILE}", datetime.now(UTC))
    places.connect("gusto/main", datetime.now(UTC))
    for name, secret in (("gusto/main", {"offered": HOSTILE}), ("hibob/main", {HOSTILE: HOSTILE})):
        secrets.create_secret(Name=f"leaver/webhooks/{name}", SecretString=json.dumps(secret))
    told = {"service": "leaver", "stack": "leaver", "source": HOSTILE, "reason": HOSTILE}
    boto3.client("cloudwatch", region_name=REGION).put_metric_data(
        Namespace="Leaver",
        MetricData=[
            {
                "MetricName": "WebhooksRefused",
                "Dimensions": [{"Name": name, "Value": value} for name, value in told.items()],
                "Timestamp": datetime.now(UTC) - timedelta(hours=1),
                "Value": 1.0,
            }
        ],
    )
    calls = (("door",), ("door", "--json"), ("door", "rotate", "gusto/main"), ("door", "silence", "gusto/main", "3"))
    shown = [check(leaver(*call, answer="n\n")) for call in calls]
    assert all("[/]" in each for each in shown[:3])


def test_a_trial_goes_nowhere_without_a_secret_or_in_the_clear(secrets: Any, given: Path) -> None:
    assert "leaver door rotate hibob/main" in leaver("door", "test", "hibob/main").output
    rotate("hibob/main", given, "first")
    result = leaver("door", "test", "hibob/main", "--endpoint", "http://door.example")
    assert (result.exit_code, "expected https" in result.output) == (2, True)
    assert secrets.list_secrets()["SecretList"] != []
