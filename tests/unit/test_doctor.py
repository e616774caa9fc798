"""`leaver doctor`: with nothing amiss each row is well, and each row can be made red, with what to do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from leaver.connections.record import Status, Unreadable
from leaver.providers.time_left import TOO_LATE
from leaver.webhooks.places import Place
from leaver_cli import asking
from leaver_cli.doctor.row import Row
from leaver_cli.doctor.seat import Seat
from leaver_cli.doctor.show import PROBES, ROWS, looked_at
from tests.doubles.clock import NOW
from tests.doubles.examined import ACCOUNT, PARTNER, TOPIC, Installation

LOOKS = dict([*ROWS, PROBES])
DAY = timedelta(days=1)
Spoil = Callable[[Installation], Any]


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)
    monkeypatch.setattr(asking, "PATIENCE", timedelta(0))


def look(name: str, seat: Seat) -> Row:
    return looked_at(name, LOOKS[name], seat)


@pytest.mark.parametrize("name", LOOKS)
def test_with_nothing_amiss_each_row_is_well_and_says_what_it_saw(name: str) -> None:
    row = look(name, Installation().seat)
    assert row.troubles == ()
    assert (row.name, bool(row.says)) == (name, True)


def deny(made: Installation) -> None:
    made.denied = "GetCallerIdentity"


def set_to(**fields: Any) -> Spoil:
    def spoil(made: Installation) -> None:
        for name, value in fields.items():
            setattr(made, name, value)

    return spoil


def parameter(**values: str) -> Spoil:
    return lambda made: made.parameters.update(values)


def record(name: str, **fields: Any) -> Spoil:
    return lambda made: made.connections.alter(name, **fields)


def unreadable(made: Installation) -> None:
    made.broken.append(Unreadable(connection="odd", reason="status: expected one of five"))


def forget_cases(made: Installation) -> None:
    made.keep("user-tokens/ada/zoom/zak")
    made.has_cases = False


#: row, what is spoilt, what is then said, and what there is to do
REDS: list[tuple[str, Spoil, str, str]] = [
    ("stack", set_to(status="UPDATE_ROLLBACK_COMPLETE"), "the stack is UPDATE_ROLLBACK_COMPLETE", "sam deploy"),
    ("you", set_to(who=f"arn:aws:iam::{ACCOUNT}:user/eve"), "user/eve is none of the operators", "Operators"),
    ("you", deny, "not authorized to perform: sts:GetCallerIdentity", "give yourself that right"),
    ("clock", set_to(ahead=timedelta(seconds=61)), "clock is 61 seconds behind AWS's", "set this machine's clock"),
    ("clock", set_to(ahead=timedelta(seconds=-61)), "clock is 61 seconds ahead of AWS's", "set this machine's clock"),
    ("versions", lambda made: made.outputs.update(Version="0.0.9"), "the stack 0.0.9", "sam deploy"),
    ("versions", lambda made: made.outputs.pop("Version"), "the stack older than 0.1", "sam deploy"),
    ("providers", lambda made: made.connections.records.pop("zoom"), "zoom is one of Providers", "leaver connect zoom"),
    ("providers", record("zoom", status=Status.REVOKED), "zoom/acme has no connection that works", "--give-up-account"),
    ("providers", parameter(Providers="venafi"), "zoom: no case will use it", "leaver disconnect zoom"),
    ("connections", record("zoom", status=Status.NEEDS_REAUTHORIZATION), "zoom: needs a person", "connect zoom zoom"),
    ("connections", record("zoom", expires_at=NOW - DAY, refresh_at=NOW - DAY), "has expired", "leaver refresh zoom"),
    ("connections", record("zoom", failures=3, status=Status.COOLING_DOWN), "zoom: cooling down", "mend"),
    ("connections", unreadable, "odd: its record can't be read (status:", "mend its item in"),
    ("owners", lambda made: made.functions.unknown.add("it@example.com"), "it@example.com is not known to", "connect"),
    ("owners", lambda made: made.functions.silent.add("revoke_grants"), "venafi: could not be asked", "--probe"),
    ("scopes and roles", lambda made: made.functions.scopes.update(revoke_grants="admin"), "admin:delete", "connect"),
    ("scopes and roles", lambda made: made.functions.scopes.update(revoke_sso_token="x"), "is missing", "connect zoom"),
    ("scopes and roles", lambda made: setattr(made.functions, "because", "401"), "could not be asked: 401", "parked"),
    ("searches", lambda made: setattr(made.functions, "unproved", "AD+corp is unseen"), "AD+corp", "VenafiPrefixes"),
    ("searches", lambda made: setattr(made.functions, "unproved", TOO_LATE), "could not be looked", "look again"),
    (
        "secrets and tables",
        lambda made: made.keep("tokens/zoom/old"),
        "tokens/zoom/old has no record",
        "connect zoom old",
    ),
    (
        "secrets and tables",
        lambda made: made.keep("tokens/zoom/old", at=NOW - 10 * DAY),
        "the stack is younger than the secret: was it made anew?",
        "connect zoom old",
    ),
    ("secrets and tables", lambda made: made.secrets.made.pop("leaver/tokens/zoom/zoom"), "has no secret", "connect"),
    (
        "secrets and tables",
        forget_cases,
        "1 user tokens are kept, and the table of cases is empty",
        "PurgeUserTokens",
    ),
    ("secrets and tables", lambda made: made.places.clear(), "does not know: hibob/main", "leaver door silence"),
    ("dead letters", lambda made: made.parked.update(revoke_grants=2), "revoke_grants: 2 messages", "leaver parked"),
    ("dead letters", lambda made: made.parked.update(unrouted=1), "unrouted: 1 message wait", "leaver parked unrouted"),
    ("rules", lambda made: made.events.rules[0].update(State="DISABLED"), "is disabled", "--event-bus-name leaver"),
    ("rules", lambda made: made.events.rules[2].update(State="DISABLED"), "is disabled", "aws events enable-rule"),
    ("rules", lambda made: made.events.rules.pop(1), "the schedule of ScheduleRefreshes is gone", "sam deploy"),
    ("rules", lambda made: made.events.rules.pop(0), "bus leaver has no rule", "sam deploy"),
    ("partner buses", lambda made: made.events.buses.clear(), f"there is no bus {PARTNER}", "associate it"),
    ("partner buses", lambda made: setattr(made.events, "source", "DELETED"), "is DELETED", "at the partner"),
    (
        "sources",
        lambda made: made.places.update({"okta/main": Place(since=NOW - 8 * DAY)}),
        "okta/main is silent for 8 days",
        "leaver door test okta/main",
    ),
    ("sources", set_to(door_url=None), "the front door is closed, and has 1 senders", "FrontDoor=http-api"),
    ("alarms", parameter(AlarmTopicArn=""), "alarms have no topic", "AlarmTopicArn"),
    ("alarms", lambda made: made.sns.topics.pop(TOPIC), "there is no topic", "make the topic"),
    ("alarms", lambda made: made.sns.topics[TOPIC].clear(), "nobody subscribes", "subscribe"),
    ("alarms", lambda made: made.sns.topics[TOPIC].append("PendingConfirmation"), "is not confirmed", "open the link"),
    ("alarms", lambda made: made.rings("leaver-HeldCasesAlarm-1"), "leaver-HeldCasesAlarm-1 rings: Overdue.", "cases"),
    ("alarms", lambda made: made.rings("leaver-XAlarm-1", state="OK", enabled=False), "tells nobody", "enable"),
    ("alarms", lambda made: made.cloudwatch.alarms.clear(), "there is no alarm", "sam deploy"),
    ("notices", lambda made: made.sns.topics.popitem(), "NotifyTopicArn: there is no topic", "make the topic"),
    ("dashboard", lambda made: made.cloudwatch.dashboards.clear(), "there is no dashboard leaver", "sam deploy"),
    ("trail", lambda made: made.cloudtrail.trails.clear(), "no trail shows changes to key k-1", "make a trail"),
    ("trail", lambda made: setattr(made.cloudtrail, "is_logging", False), "none of 1 writes", "make a trail"),
    (
        "trail",
        lambda made: made.cloudtrail.trails[0].update(IsMultiRegionTrail=False, HomeRegion="us-east-1"),
        "none of 1 writes in eu-central-1",
        "make a trail",
    ),
    (
        "trail",
        lambda made: made.cloudtrail.selectors.update(
            EventSelectors=[{"IncludeManagementEvents": True, "ReadWriteType": "ReadOnly"}]
        ),
        "none of 1 writes",
        "make a trail",
    ),
    (
        "trail",
        lambda made: made.cloudtrail.selectors.update(
            AdvancedEventSelectors=[{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]
        ),
        "none of 1 writes",
        "make a trail",
    ),
    ("probes", lambda made: made.functions.silent.add("seal_case.fifo"), "queue seal_case.fifo: nobody", "throttled"),
    ("probes", lambda made: made.functions.silent.add("revoke_grants-urgent"), "revoke_grants-urgent", "throttled"),
    ("probes", lambda made: setattr(made.functions, "version", "0.0.9"), "runs 0.0.9, and the stack is", "make build"),
]


@pytest.mark.parametrize(("name", "spoil", "says", "to_do"), REDS)
def test_each_row_can_be_red_and_says_what_to_do(name: str, spoil: Spoil, says: str, to_do: str) -> None:
    made = Installation()
    spoil(made)
    row = look(name, made.seat)
    assert [each for each in row.troubles if says in each.what and to_do in each.to_do], row


def test_every_row_is_made_red() -> None:
    assert {name for name, *_ in REDS} == LOOKS.keys()


@pytest.mark.parametrize(
    ("who", "operators"),
    [
        ("sts::{}:assumed-role/on-call/ada", "iam::{}:role/on-call"),
        ("sts::{}:assumed-role/on-call/ada", "iam::{}:role/eve, arn:aws:iam::{}:role/teams/on-call"),
        ("sts::{}:assumed-role/on-call/ada", "iam::{}:root"),
        ("iam::{}:user/ada", "iam::{}:user/a*"),
        (
            "sts::{}:assumed-role/AWSReservedSSO_ops_0123456789abcdef/ada",
            "iam::{}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_ops_*",
        ),
    ],
)
def test_an_operator_is_known_by_the_role_behind_the_session(who: str, operators: str) -> None:
    made = Installation(who=f"arn:aws:{who.format(ACCOUNT)}")
    made.outputs["Operators"] = f"arn:aws:{operators.replace('{}', ACCOUNT)}"
    assert look("you", made.seat).troubles == ()


@pytest.mark.parametrize("entry", ["role/on-call-2", "role/on", "user/on-call"])
def test_who_only_has_a_name_like_an_operators_is_none(entry: str) -> None:
    made = Installation()
    made.outputs["Operators"] = f"arn:aws:iam::{ACCOUNT}:{entry}"
    assert look("you", made.seat).troubles


def test_a_second_account_and_a_spare_connection_are_said_and_nobody_has_to_act() -> None:
    made = Installation()
    made.connect("bought", account="bought")
    made.connect("zoom-2")
    row = look("providers", made.seat)
    assert row.troubles == ()
    assert "zoom: acme, bought; venafi: tpp.example.com" in row.says
    assert "zoom has 2 accounts (acme, bought): a leaver has steps at each" in row.says
    assert "zoom-2: no case uses it while another one works at acme" in row.says


def test_a_connection_that_was_ended_and_a_personal_one_that_has_expired_are_no_trouble() -> None:
    made, ago = Installation(), NOW - 90 * DAY
    made.connect("old", status=Status.REVOKED, revoked_outcome="revoked", expires_at=ago, refresh_at=ago)
    made.connect("ada", role="personal", expires_at=ago, refresh_at=NOW + DAY)
    row = look("connections", made.seat)
    assert (row.troubles, row.says) == ((), "3 of 3 work")


def test_another_stack_whose_name_begins_alike_is_none_of_ours() -> None:
    made = Installation()
    made.rings("leaver-test-HeldCasesAlarm-1")
    made.events.add("leaver-test-ScheduleRefreshesSchedule-1", "default", "DISABLED")
    assert look("alarms", made.seat).troubles == look("rules", made.seat).troubles == ()


def test_of_a_secret_of_another_prefix_nothing_is_said() -> None:
    made = Installation()
    made.secrets.made["LEAVER/tokens/zoom/theirs"] = NOW
    assert look("secrets and tables", made.seat).troubles == ()


def test_a_source_that_was_never_heard_is_said_and_is_no_trouble_before_its_time() -> None:
    made = Installation()
    made.places["okta/main"] = Place(since=NOW - DAY)
    row = look("sources", made.seat)
    assert (row.says, row.troubles) == ("heard: hibob/main; not yet: okta/main", ())


def test_a_probe_goes_through_every_queue_that_is_fed_and_through_a_fifo_queue_in_a_group_of_its_own() -> None:
    made = Installation()
    assert look("probes", made.seat).troubles == ()
    fifo = {queue: each for queue, each in made.functions.probed.items() if each}
    assert {queue: each["MessageGroupId"] for queue, each in fifo.items()} == {
        "refresh_access_token.fifo": "probe",
        "seal_case.fifo": "probe",
    }
    assert len({each["MessageDeduplicationId"] for each in fifo.values()}) == len(fifo)


def test_a_queue_that_nobody_feeds_here_is_sent_no_probe_that_would_lie_there() -> None:
    made = Installation()
    made.parameters |= {"DeactivateUsers": "false", "NotifyTopicArn": ""}
    assert look("probes", made.seat).troubles == ()
    assert made.functions.probed.keys() & {"deactivate_user", "notify_people", "watch_deadlines", "unrouted"} == set()
