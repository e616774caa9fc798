"""What the front door takes, what it refuses, and that nothing is said to be taken before the bus has it."""

import base64
import gzip
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from functions.receive_webhook.app import ANSWERED_WITHIN
from leaver.messages.hr import WEBHOOKS
from leaver.webhooks.bus import LONGEST as LONGEST_PUT
from leaver.webhooks.delivery import LARGEST
from leaver.webhooks.memory import LONGEST, REMEMBERED
from leaver.webhooks.sources import SOURCES, Answer
from tests.doubles.event_bus import FakeBus
from tests.doubles.front_door import OTHER_STANDARD, SECRETS, FrontDoor, sign

LEFT = b'{"version":"v2","type":"employee.left","data":{"employeeId":"333"}}'
NOTHING = Answer(401)
BROKEN = Answer(503)


@pytest.fixture
def door() -> FrontDoor:
    return FrontDoor()


# --- what is taken ---


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_rightly_signed_is_put_on_the_bus_as_its_source_sent_it(door: FrontDoor, source: str) -> None:
    assert door.deliver(source, LEFT) == Answer(200)
    [event] = door.events.put
    assert (event["Source"], event["DetailType"]) == ("leaver.hr", SOURCES[source].detail_type)
    assert json.loads(event["Detail"]) == json.loads(LEFT)
    assert event["Resources"][:2] == [f"source:{source}/main", f"sha256:{hashlib.sha256(LEFT).hexdigest()}"]
    assert door.counted == [("WebhooksTaken", {"source": source})]


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_an_adapter_at_the_intake(source: str) -> None:
    assert SOURCES[source].detail_type in WEBHOOKS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"Ping"',
        b"employee=100&status=Inactive",
        b"{",
        b'{"name": "zo\xeb"}',
        b"\xef\xbb\xbf{}",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": {"id": "100", "id": "101"}}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 50_000,
        b'{"a": ' + b"9" * 5_000 + b"}",
        gzip.compress(LEFT, mtime=0),
        json.dumps({"a": ["1E5"] * 25_000}).replace('"1E5"', "1E5").replace(" ", "").encode(),
    ],
    ids=lambda body: str(body[:16]),
)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_what_is_rightly_signed_and_no_json_object_is_not_lost(door: FrontDoor, body: bytes, content_type: str) -> None:
    assert door.post(
        "/hibob/main", body, sign("hibob", body, door.clock.now), {"content-type": content_type}
    ) == Answer(200)
    [detail] = door.details
    assert ([*detail], base64.b64decode(detail["raw"])) == (["raw"], body)


def test_letters_stay_as_small_as_they_came(door: FrontDoor) -> None:
    body = json.dumps({"name": "ë" * 60_000}, ensure_ascii=False).encode()
    assert door.deliver("hibob", body) == Answer(200)
    assert len(door.events.put[0]["Detail"].encode()) <= len(body)


def test_a_foreign_sender_of_standard_webhooks_is_understood(door: FrontDoor) -> None:
    text = '{"type":"user.left","data":{"email":"ada@example.com"}}'
    # Their own code signs.
    signature = Webhook(SECRETS["standard"]).sign("msg_2KWP", door.clock.now, text)
    headers = {
        "Webhook-Id": "msg_2KWP",
        "Webhook-Timestamp": str(int(door.clock.now.timestamp())),
        "Webhook-Signature": signature,
    }
    assert door.post("/standard/main", text.encode(), headers) == Answer(200)
    assert door.events.put[0]["Resources"][2] == "delivery:msg_2KWP"


def test_several_events_in_one_request_of_oktas_are_several_events(door: FrontDoor) -> None:
    events = [{"uuid": f"u{each}", "eventType": "user.lifecycle.deactivate"} for each in range(23)]
    body = json.dumps({"eventId": "e1", "data": {"events": events}}).encode()
    assert door.deliver("okta", body) == Answer(200)
    assert door.details == events
    assert [each["Resources"][2] for each in door.events.put] == [f"delivery:u{each}" for each in range(23)]


def test_several_employees_in_one_webhook_of_bamboohrs_are_several_events(door: FrontDoor) -> None:
    employees = [{"id": str(each), "fields": {"Status": "Inactive"}} for each in range(23)]
    # of the third ten
    door.events.refuses_after = 20
    assert door.deliver("bamboohr", json.dumps({"employees": employees}).encode()) == BROKEN
    door.events.refuses_after = None
    assert door.deliver("bamboohr", json.dumps({"employees": employees}).encode()) == Answer(200)
    assert door.details == [{"employees": [each]} for each in employees]


def test_what_else_stands_beside_many_employees_is_not_too_much_for_the_bus(door: FrontDoor) -> None:
    employees = [{"id": str(each)} for each in range(10)]
    body = json.dumps({"employees": employees, "note": "x" * 60_000}).encode()
    assert door.deliver("bamboohr", body) == Answer(200)
    assert door.details == [{"employees": [each]} for each in employees]


@pytest.mark.parametrize("employees", [None, [], {}, "x"], ids=str)
def test_what_is_no_list_of_employees_goes_as_it_is(door: FrontDoor, employees: object) -> None:
    assert door.deliver("bamboohr", json.dumps({"employees": employees}).encode()) == Answer(200)
    assert door.details == [{"employees": employees}]


@pytest.mark.parametrize("data", [None, [], {}, {"events": []}, {"events": {}}], ids=str)
def test_what_is_no_list_of_oktas_events_goes_as_it_is(door: FrontDoor, data: object) -> None:
    assert door.deliver("okta", json.dumps({"data": data}).encode()) == Answer(200)
    assert door.details == [{"data": data}]


def test_a_leaver_beside_whom_nobody_can_read_the_other_leaves(door: FrontDoor) -> None:
    left = {"uuid": "u1", "eventType": "user.lifecycle.deactivate"}
    body = json.dumps({"data": {"events": ["zo\u00eb", left, None]}}).encode()
    assert door.deliver("okta", body) == Answer(200)
    assert door.details[1] == left
    # What cannot be read is parked by the intake, and lost by nobody.
    assert [base64.b64decode(each["raw"]).decode() for each in door.details[::2]] == ['"zo\u00eb"', "null"]


# --- before it is taken ---


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_is_taken_that_the_bus_does_not_have(source: str) -> None:
    door = FrontDoor(events=FakeBus(broken=True))
    assert door.deliver(source, LEFT) == BROKEN
    assert (door.events.put, door.table.items, door.counted) == ([], {}, [])
    # The sender repeats what it was told is our fault, and then it is taken.
    door.events.broken = False
    assert door.deliver(source, LEFT) == Answer(200)
    assert len(door.events.put) == 1


def test_a_bus_that_refuses_an_event_is_asked_once_more_for_that_one() -> None:
    door = FrontDoor(events=FakeBus(refuses=1))
    body = json.dumps({"data": {"events": [{"uuid": "u1"}, {"uuid": "u2"}]}}).encode()
    assert door.deliver("okta", body) == Answer(200)
    assert sorted(each["uuid"] for each in door.details) == ["u1", "u2"]
    assert door.events.calls == 2


def test_a_bus_that_refuses_twice_has_not_taken_it() -> None:
    door = FrontDoor(events=FakeBus(refuses=2))
    assert door.deliver("hibob", LEFT) == BROKEN
    [(_, told)] = door.logged
    assert told == {
        "source": "hibob",
        "error": "Undelivered",
        "reason": "the bus did not take 1 events: ThrottlingException",
    }


def test_an_event_has_been_taken_when_it_has_an_id_on_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    door = FrontDoor()
    answer = {"FailedEntryCount": 1, "Entries": [{"ErrorMessage": "and no code"}]}
    monkeypatch.setattr(door.events, "put_events", lambda **_: answer)
    assert door.deliver("hibob", LEFT) == BROKEN


def test_while_the_secrets_do_not_answer_nobody_is_refused(door: FrontDoor) -> None:
    door.secrets.unreadable = True
    assert door.deliver("bamboohr", LEFT) == BROKEN
    assert door.refusals == []


def test_a_secret_that_was_read_is_used_while_the_secrets_do_not_answer(door: FrontDoor) -> None:
    assert door.deliver("bamboohr", LEFT) == Answer(200)
    door.secrets.unreadable = True
    door.clock.passes(hours=1)
    assert door.deliver("bamboohr", LEFT) == Answer(200)


@pytest.mark.parametrize("text", ["", "{", '{"current": 1}', '{"curent": "x"}', '{"current": "no standard secret"}'])
def test_a_secret_that_nobody_could_sign_with_is_our_fault(door: FrontDoor, text: str) -> None:
    door.secrets.put_secret_value(SecretId="leaver/webhooks/standard/main", SecretString=text)
    assert door.deliver("standard", LEFT) == BROKEN


# --- repeats ---


@pytest.mark.parametrize("source", ["standard", "bamboohr", "zoom"])
def test_the_same_delivery_is_taken_once_and_said_to_be_taken_twice(door: FrontDoor, source: str) -> None:
    assert [door.deliver(source, LEFT), door.deliver(source, LEFT)] == [Answer(200), Answer(200)]
    assert len(door.events.put) == 1


def test_a_standard_webhook_is_known_by_its_id_when_it_is_signed_anew(door: FrontDoor) -> None:
    assert door.deliver("standard", LEFT) == Answer(200)
    door.clock.passes(hours=5)
    assert door.deliver("standard", LEFT) == Answer(200)
    assert len(door.events.put) == 1
    assert door.deliver("standard", LEFT, id="msg_other") == Answer(200)
    assert len(door.events.put) == 2


def test_gusto_and_okta_are_known_by_the_ids_in_their_bodies(door: FrontDoor) -> None:
    gusto, okta = b'{"uuid":"g1"}', b'{"data":{"events":[{"uuid":"o1"},{"uuid":"o2"}]}}'
    for _ in range(2):
        assert door.deliver("gusto", gusto) == door.deliver("okta", okta) == Answer(200)
    assert door.deliver("okta", b'{"data":{"events":[{"uuid":"o2"},{"uuid":"o3"}]}}') == Answer(200)
    assert [each["uuid"] for each in door.details] == ["g1", "o1", "o2", "o3"]


@pytest.mark.parametrize("source", ["standard", "gusto", "okta"])
def test_an_id_that_a_sender_uses_for_everything_loses_nothing(door: FrontDoor, source: str) -> None:
    said = [{"uuid": "1", "kind": kind} for kind in ("scheduled", "cancelled", "immediate")]
    for each in said:
        body = {"data": {"events": [each]}} if source == "okta" else each
        assert door.deliver(source, json.dumps(body).encode(), id="1") == Answer(200)
    assert door.details == said


def test_an_id_is_its_connections_and_no_other_ones(door: FrontDoor) -> None:
    door.store("gusto/other", current=SECRETS["gusto"])
    body = b'{"uuid":"g1"}'
    headers = sign("gusto", body, door.clock.now)
    assert door.post("/gusto/main", body, headers) == door.post("/gusto/other", body, headers) == Answer(200)
    assert len(door.events.put) == 2


@pytest.mark.parametrize("uuid", [None, "", 7, {}])
def test_what_has_no_id_is_never_dropped(door: FrontDoor, uuid: object) -> None:
    body = json.dumps({"uuid": uuid}).encode()
    assert door.deliver("gusto", body) == door.deliver("gusto", body) == Answer(200)
    assert len(door.events.put) == 2


def test_where_nothing_signed_tells_two_deliveries_apart_nothing_is_dropped(door: FrontDoor) -> None:
    assert door.deliver("hibob", LEFT) == door.deliver("hibob", LEFT) == Answer(200)
    assert len(door.events.put) == 2


def test_two_people_whose_bodies_are_the_same_both_leave(door: FrontDoor) -> None:
    """Two companies at one BambooHR key: the same number, the same second, the same bytes, another path."""
    door.store("bamboohr/other", current=SECRETS["bamboohr"])
    headers = sign("bamboohr", LEFT, door.clock.now)
    assert door.post("/bamboohr/main", LEFT, headers) == door.post("/bamboohr/other", LEFT, headers) == Answer(200)
    assert [each["Resources"][0] for each in door.events.put] == ["source:bamboohr/main", "source:bamboohr/other"]


def test_the_same_body_a_second_later_is_another_delivery(door: FrontDoor) -> None:
    assert door.deliver("bamboohr", LEFT) == Answer(200)
    door.clock.passes(seconds=1)
    assert door.deliver("bamboohr", LEFT) == Answer(200)
    assert len(door.events.put) == 2


def test_what_has_expired_is_no_repeat_although_its_item_is_still_there(door: FrontDoor) -> None:
    assert door.deliver("gusto", b'{"uuid":"g1"}') == Answer(200)
    door.clock.passes(seconds=REMEMBERED.total_seconds() + 1)
    assert door.deliver("gusto", b'{"uuid":"g1"}') == Answer(200)
    assert len(door.events.put) == 2
    # and it is remembered again
    assert door.deliver("gusto", b'{"uuid":"g1"}') == Answer(200)
    assert len(door.events.put) == 2


def test_no_signed_time_may_be_older_than_what_is_remembered() -> None:
    limits = [each.proof.longest_age for each in SOURCES.values() if hasattr(each.proof, "longest_age")]
    assert all(each is None or each < REMEMBERED - timedelta(days=1) for each in limits)


def test_without_its_memory_the_door_takes_things_twice_and_loses_none(door: FrontDoor) -> None:
    assert door.deliver("hibob", LEFT) == Answer(200)
    door.table.broken = True
    assert door.deliver("gusto", b'{"uuid":"g1"}') == door.deliver("gusto", b'{"uuid":"g1"}') == Answer(200)
    assert len(door.events.put) == 3


# --- what is refused ---


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/{}/main", "wrong_signature"),
        ("/{}/nobody", "unknown_connection"),
    ],
)
def test_a_wrong_secret_and_an_unknown_connection_look_alike_and_are_told_apart_inside(
    door: FrontDoor, source: str, path: str, reason: str
) -> None:
    secret = OTHER_STANDARD if source == "standard" else "guessed"
    assert door.post(path.format(source), LEFT, sign(source, LEFT, door.clock.now, secret=secret)) == NOTHING
    assert door.refusals == [(source, reason)]
    # Strangers try every address there is: no alarm rings for them.
    assert door.rings == (reason == "wrong_signature")
    assert door.events.put == []


@pytest.mark.parametrize("source", SOURCES)
def test_no_secret_looks_alike_too(door: FrontDoor, source: str) -> None:
    assert door.post(f"/{source}/main", LEFT) == NOTHING
    assert door.refusals == [(source, "no_signature")]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "", "/hibob", "/hibob/", "/hibob/main/", "//hibob/main", "/hibob/main/x", "/HIBOB/main", "/hibob/Main"),
        *("/hibob/../main", "/hibob/%2e%2e", "/hibob/main%00", "/hibob/main\n", "/hibob/-x", "/hibob/" + "x" * 64),
        *("/personio/main", "/credentials/zoom", "/.env", "/hibob/ма\u0456n"),
    ],
)
def test_an_unknown_path_looks_alike_and_what_it_is_called_is_told_nobody(door: FrontDoor, path: str) -> None:
    assert door.post(path, LEFT, sign("hibob", LEFT, door.clock.now)) == NOTHING
    assert door.refusals == [("unknown", "unknown_path")]
    assert door.logged == [("refused", {"source": "unknown", "reason": "unknown_path"})]
    assert door.secrets.reads == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("source", SOURCES)
def test_another_method_looks_alike(door: FrontDoor, source: str, method: str) -> None:
    headers = sign(source, LEFT, door.clock.now)
    assert door.post(f"/{source}/main", LEFT, headers, method=method) == NOTHING
    assert door.refusals == [(source, "wrong_method")]


@pytest.mark.parametrize("source", ["standard", "bamboohr", "zoom"])
def test_what_was_signed_long_ago_is_refused(door: FrontDoor, source: str) -> None:
    headers = sign(source, LEFT, door.clock.now)
    door.clock.passes(hours=5)
    assert door.post(f"/{source}/main", LEFT, headers) == NOTHING
    assert door.refusals == [(source, "stale")]
    # BambooHR never repeats it: nobody may find that out by a leaver who is still there.
    assert door.rings == 1


def test_a_header_that_is_sent_twice_is_refused(door: FrontDoor) -> None:
    signature = sign("hibob", LEFT, door.clock.now)["Bob-Signature"]
    assert door.post("/hibob/main", LEFT, ("Bob-Signature", signature), ("bob-signature", "x")) == NOTHING
    assert door.refusals == [("hibob", "doubled_header")]


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
def test_a_body_that_is_too_large_is_not_even_looked_at(door: FrontDoor, content_type: str) -> None:
    for size, status in ((LARGEST, 200), (LARGEST + 1, 413)):
        body = b'{"a": "' + b"x" * (size - 9) + b'"}'
        assert len(body) == size
        headers = sign("hibob", body, door.clock.now)
        assert door.post("/hibob/main", body, headers, {"content-type": content_type}).status == status
    assert door.refusals == [("hibob", "too_large")]
    # of any path, for any secret: that tells nobody anything
    assert door.post("/nowhere", b"x" * (LARGEST + 1), {"content-type": content_type}) == Answer(413)


@pytest.mark.parametrize(("path", "rings"), [("/bamboohr/main", 1), ("/bamboohr/nobody", 0), ("/nowhere", 0)])
def test_what_a_connection_says_in_too_many_words_rings_for_its_sender_never_repeats_it(
    door: FrontDoor, path: str, rings: int
) -> None:
    for _ in range(2):
        assert door.post(path, b"x" * (LARGEST + 1)) == Answer(413)
    assert door.rings == 2 * rings
    assert [told.get("connection") for _, told in door.logged] == ["bamboohr/main" if rings else None] * 2
    # While nobody can say which connections there are, it is too large all the same.
    broken = FrontDoor()
    broken.secrets.unreadable = True
    assert broken.post(path, b"x" * (LARGEST + 1)) == Answer(413)


@pytest.mark.parametrize(("body", "is_base64"), [("not Base64!", True), ("\udc80", False)])
def test_what_no_gateway_sends_is_refused(door: FrontDoor, body: str, *, is_base64: bool) -> None:
    event = {
        "rawPath": "/hibob/main",
        "requestContext": {"http": {"method": "POST"}},
        "body": body,
        "isBase64Encoded": is_base64,
    }
    assert door.door.answer(event) == NOTHING
    assert door.refusals == [("hibob", "malformed")]


def test_the_size_is_looked_at_before_anything_else(door: FrontDoor) -> None:
    # No Base64, and as text no bytes at all: whoever had looked would have said so.
    for body, is_base64 in (("!" * 200_000, True), ("\udc80" * 200_000, False)):
        event = {"rawPath": "/hibob/main", "requestContext": {"http": {"method": "POST"}}, "body": body}
        assert door.door.answer(event | {"isBase64Encoded": is_base64}) == Answer(413)


@pytest.mark.parametrize("source", SOURCES)
def test_of_a_refused_request_nothing_but_its_reason_is_told(door: FrontDoor, source: str) -> None:
    canary = b'{"email": "canary@example.com"}'
    secret = OTHER_STANDARD if source == "standard" else "canary"
    headers = sign(source, canary, door.clock.now, secret=secret, id="canary")
    door.post(f"/{source}/canary", canary, headers)
    door.post(f"/{source}/main", canary, headers)
    assert "canary" not in str(door.logged) + str(door.counted)
    assert door.logged[1] == (
        "refused",
        {"source": source, "reason": "wrong_signature", "connection": f"{source}/main"},
    )


# --- two secrets, and how they are read ---


@pytest.mark.parametrize("source", SOURCES)
def test_while_a_secret_is_rotated_both_are_taken_and_then_one(door: FrontDoor, source: str) -> None:
    new = OTHER_STANDARD if source == "standard" else "the new one"
    door.store(f"{source}/main", current=new, previous=SECRETS[source])
    for number, each in enumerate((SECRETS[source], new)):
        body = json.dumps({"uuid": str(number)}).encode()
        assert door.deliver(source, body, secret=each, id=str(number)) == Answer(200)
    door.store(f"{source}/main", current=new)
    door.clock.passes(minutes=2)
    assert door.deliver(source, LEFT) == NOTHING
    assert door.deliver(source, LEFT, secret=new) == Answer(200)


def test_a_rotation_is_seen_within_seconds_by_a_door_that_is_warm(door: FrontDoor) -> None:
    assert door.deliver("hibob", LEFT) == Answer(200)
    door.store("hibob/main", current="the new one", previous=SECRETS["hibob"])
    door.clock.passes(seconds=6)
    assert door.deliver("hibob", LEFT, secret="the new one") == Answer(200)


def test_a_new_connection_is_seen_within_seconds(door: FrontDoor) -> None:
    headers = sign("hibob", LEFT, door.clock.now, secret="new")
    assert door.post("/hibob/new", LEFT, headers) == NOTHING
    door.store("hibob/new", current="new")
    door.clock.passes(seconds=6)
    assert door.post("/hibob/new", LEFT, headers) == Answer(200)


def test_whoever_guesses_asks_for_no_secret_each_time(door: FrontDoor) -> None:
    for _ in range(50):
        door.deliver("hibob", LEFT, secret="guessed")
    assert door.secrets.calls == {"BatchGetSecretValue": 1}


@pytest.mark.parametrize("headers", [{}, {"bob-signature": "a,b"}, {"bob-signature": "guessed"}], ids=str)
def test_to_guess_a_name_costs_what_to_know_one_costs_and_nobody_else_hears_of_it(headers: dict[str, str]) -> None:
    calls = []
    for path in ("/hibob/main", "/hibob/guessed"):
        door = FrontDoor()
        for _ in range(3):
            assert door.post(path, LEFT, headers) == NOTHING
            door.clock.passes(seconds=6)
        calls.append((door.secrets.calls, door.secrets.reads))
        # Nor do guesses fill the memory.
        assert "guessed" not in str(door.secrets.secrets) + str(door.door.secrets._found)
    assert calls[0] == calls[1] == ({"BatchGetSecretValue": 3}, 3 * len(SOURCES))


@pytest.mark.parametrize("is_lost", [True, False])
def test_without_the_list_of_connections_they_are_read_one_by_one_and_no_leaver_is_lost(
    door: FrontDoor, *, is_lost: bool
) -> None:
    door.table.notes.clear()
    door.table.broken = not is_lost
    assert door.deliver("bamboohr", LEFT) == Answer(200)
    assert door.post("/bamboohr/guessed", LEFT, sign("bamboohr", LEFT, door.clock.now)) == NOTHING


def test_one_secret_that_nobody_can_read_closes_no_other_connection(door: FrontDoor) -> None:
    door.secrets.put_secret_value(SecretId="leaver/webhooks/okta/main", SecretString="no JSON")
    door.secrets.secrets["leaver/webhooks/zoom/main"].deleted = True
    assert [door.deliver(each, LEFT) for each in ("okta", "zoom", "hibob")] == [BROKEN, BROKEN, Answer(200)]


def test_more_connections_than_are_read_at_once_are_all_read(door: FrontDoor) -> None:
    for number in range(45):
        door.store(f"hibob/n{number}", current=f"secret {number}")
    headers = sign("hibob", LEFT, door.clock.now, secret="secret 44")
    assert door.post("/hibob/n44", LEFT, headers) == Answer(200)


# --- the sender's patience ---


def slow_down(door: FrontDoor, what: Any, call: str, longest: timedelta) -> None:
    """Let a call of AWS take as long as its client lets it."""
    at_once = getattr(what, call)

    def late(**told: Any) -> Any:
        door.clock.passes(seconds=longest.total_seconds())
        return at_once(**told)

    setattr(what, call, late)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("is_broken", [True, False])
def test_however_slow_all_of_aws_is_the_sender_hears_within_its_three_seconds(
    door: FrontDoor, source: str, *, is_broken: bool
) -> None:
    slow_down(door, door.events, "put_events", LONGEST_PUT)
    slow_down(door, door.secrets, "batch_get_secret_value", LONGEST)
    for call in ("get_item", "put_item", "update_item"):
        slow_down(door, door.table, call, LONGEST)
    door.events.broken = is_broken
    body = json.dumps({"uuid": "g", "data": {"events": [{"uuid": str(each)} for each in range(25)]}}).encode()
    began = door.clock.now
    answer = door.deliver(source, body)
    assert door.clock.now - began <= ANSWERED_WITHIN < timedelta(seconds=3)
    # What did not get to the bus in time is not said to be there; of Okta's five and twenty only ten could be put.
    assert answer == (BROKEN if is_broken or source == "okta" else Answer(200))


def test_a_bus_that_fails_at_once_is_tried_twice_and_one_that_fails_late_is_not(door: FrontDoor) -> None:
    door.events.refuses = 1
    assert door.deliver("hibob", LEFT) == Answer(200)
    door.events.refuses = 1
    slow_down(door, door.table, "get_item", timedelta(seconds=1))
    slow_down(door, door.events, "put_events", LONGEST_PUT)
    assert door.deliver("gusto", b'{"uuid":"g"}') == BROKEN


# --- handshakes ---


@pytest.mark.parametrize("body", [b"Ping test", b'"Ping test"', b'{"text":"Ping test"}', b' {"text": "Ping test"} '])
@pytest.mark.parametrize("path", ["/hibob/main", "/hibob/nobody"])
def test_hibobs_ping_is_answered_and_nothing_follows(door: FrontDoor, body: bytes, path: str) -> None:
    assert door.post(path, body) == Answer(200)
    assert (door.events.put, door.refusals) == ([], [])
    # whether it is signed nobody knows: the log will
    assert door.logged == [("greeted", {"source": "hibob", "is_proved": False})]
    assert door.post(path, body, sign("hibob", body, door.clock.now)) == Answer(200)
    assert door.logged[1][1]["is_proved"] == (path == "/hibob/main")


@pytest.mark.parametrize("body", [b"Ping", b'{"text":"Ping test","type":"employee.left"}', b'["Ping test"]'])
def test_what_only_looks_like_a_ping_has_to_be_signed(door: FrontDoor, body: bytes) -> None:
    assert door.post("/hibob/main", body) == NOTHING


def test_oktas_challenge_is_given_back(door: FrontDoor) -> None:
    challenge = {"X-Okta-Verification-Challenge": "xdS4d3xBOMcUbCuEcA"}
    for path, headers in (("/okta/main", {"Authorization": SECRETS["okta"]}), ("/okta/main", {}), ("/okta/nobody", {})):
        answer = door.post(path, b"", challenge, headers, method="GET")
        assert answer == Answer(200, {"verification": "xdS4d3xBOMcUbCuEcA"})
    assert [told["is_proved"] for _, told in door.logged] == [True, False, False]
    assert door.post("/okta/main", b"", challenge) == NOTHING
    assert door.post("/hibob/main", b"", challenge, method="GET") == NOTHING
    for wrong in ("", "a b", "x" * 257, "ä"):
        assert door.post("/okta/main", b"", {"X-Okta-Verification-Challenge": wrong}, method="GET") == NOTHING


def test_zooms_url_validation_is_answered_again_and_again(door: FrontDoor) -> None:
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}'
    encrypted = "44dcd631760dbaa45d10468836769a2ff763dd44fe306227aee51878a6057994"
    for _ in range(3):
        answer = door.deliver("zoom", body)
        assert answer == Answer(200, {"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": encrypted})
        door.clock.passes(hours=72)
    assert door.events.put == []
    assert door.post("/zoom/main", body) == NOTHING


def test_zoom_is_answered_with_the_secret_that_it_signed_with(door: FrontDoor) -> None:
    door.store("zoom/main", current="the new one", previous=SECRETS["zoom"])
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"p"}}'
    answer = door.deliver("zoom", body)
    expected = hmac.new(SECRETS["zoom"].encode(), b"p", hashlib.sha256).hexdigest()
    assert answer == Answer(200, {"plainToken": "p", "encryptedToken": expected})


TOKEN = "6590f590-3dba-495e-9bea-c361e1e2efc0"
HANDSHAKE = json.dumps({"verification_token": TOKEN}).encode()


def waiting(door: FrontDoor, **secret: str) -> None:
    door.store("gusto/main", open_until=(door.clock.now + timedelta(minutes=10)).isoformat(), **secret)


def test_gustos_token_is_kept_aside_while_an_operator_waits_for_it(door: FrontDoor) -> None:
    waiting(door, current="old")
    assert door.post("/gusto/main", HANDSHAKE) == Answer(200)
    secret = json.loads(door.secrets.get_secret_value(SecretId="leaver/webhooks/gusto/main")["SecretString"])
    assert secret == {"current": "old", "offered": TOKEN}
    assert TOKEN not in str(door.logged)
    assert door.events.put == []


def test_an_offered_token_proves_nothing_until_a_person_takes_it(door: FrontDoor) -> None:
    waiting(door)
    assert door.post("/gusto/main", HANDSHAKE) == Answer(200)
    assert door.deliver("gusto", b'{"uuid":"g1"}', secret=TOKEN) == NOTHING
    door.store("gusto/main", current=TOKEN)
    door.clock.passes(seconds=6)
    assert door.deliver("gusto", b'{"uuid":"g1"}', secret=TOKEN) == Answer(200)


def test_the_first_offer_closes_the_window(door: FrontDoor) -> None:
    waiting(door)
    assert door.post("/gusto/main", HANDSHAKE) == Answer(200)
    assert door.post("/gusto/main", b'{"verification_token":"another"}') == NOTHING
    assert door.refusals == [("gusto", "no_window")]


def test_a_token_that_nobody_waits_for_is_refused(door: FrontDoor) -> None:
    assert door.post("/gusto/main", HANDSHAKE) == NOTHING
    waiting(door)
    door.clock.passes(minutes=11)
    assert door.post("/gusto/main", HANDSHAKE) == NOTHING
    assert door.post("/gusto/nobody", HANDSHAKE) == NOTHING
    assert door.refusals == [("gusto", "no_window"), ("gusto", "no_window"), ("gusto", "unknown_connection")]


@pytest.mark.parametrize("token", ["x" * 257, "two words", "\x1b]0;title\x07", "t\u200bt", "\u202ed"])
def test_what_can_be_no_token_is_neither_kept_nor_shown_and_closes_no_window(door: FrontDoor, token: str) -> None:
    waiting(door)
    assert door.post("/gusto/main", json.dumps({"verification_token": token}).encode()) == NOTHING
    assert door.post("/gusto/main", HANDSHAKE) == Answer(200)


def test_a_token_that_is_not_kept_is_not_taken(door: FrontDoor) -> None:
    waiting(door)
    door.secrets.read_only = True
    assert door.post("/gusto/main", HANDSHAKE) == BROKEN


@pytest.mark.parametrize("body", [b'{"verification_token":7}', b'{"verification_token":"t","uuid":"g1"}'])
def test_what_only_looks_like_gustos_handshake_has_to_be_signed(door: FrontDoor, body: bytes) -> None:
    waiting(door, current=SECRETS["gusto"])
    assert door.post("/gusto/main", body) == NOTHING
    assert door.deliver("gusto", body) == Answer(200)
