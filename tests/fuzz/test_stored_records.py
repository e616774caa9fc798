"""Whatever somebody wrote into a table, the command is done, parked or comes back, and one record stops no other."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from leaver.cases.heard import HeardEvents, heard
from leaver.cases.people import Name, People, Word
from leaver.cases.receipts import Receipt, Receipts
from leaver.cases.record import Step, new_case
from leaver.cases.reporting import StepReports
from leaver.cases.states import State
from leaver.cases.table import Cases
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection, Connections
from leaver.consuming.consumer import Consumer
from leaver.errors import Rejected
from leaver.messages.commands import RevokeSsoToken
from leaver.outcomes import Result
from leaver.storage.tables import columns, item
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import connection
from tests.doubles.consumer_harness import ConsumerHarness
from tests.doubles.hr_events import CANARY
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of
from tests.field import Field
from tests.fuzz.any_json import places, replaced, told
from tests.fuzz.fuzzing import DONE, FuzzedQueue, fuzz

JOHN = "john.doe@example.com"
#: DynamoDB's numbers are any decimal ones
numbers = st.sampled_from(["0", "-1", "1.5", "1E+2", "-0.000001", "9" * 38, "1E+125"]) | st.integers().map(str)
attributes = st.recursive(
    told.map(lambda text: {"S": text.encode(errors="replace").decode()})
    | numbers.map(lambda number: {"N": number})
    | st.booleans().map(lambda truth: {"BOOL": truth})
    | st.sampled_from(
        [{"NULL": True}, {"B": b"\xff"}, {"SS": [CANARY]}, {"NS": ["1"]}, {"S": ""}, {"S": "2026-02-30"}]
    ),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda some: {"L": some})
        | st.dictionaries(st.sampled_from([CANARY, "at", "zak"]), inner, max_size=2).map(lambda entries: {"M": entries})
    ),
    max_leaves=4,
)


@st.composite
def damaged(draw: st.DrawFn, sound: BaseModel, *keys: str) -> dict[str, Any]:
    """An item with one or two attributes that are something else or not there, but for what are keys."""
    stored: dict[str, Any] = item(columns(sound))
    for _ in range(draw(st.integers(0, 2))):
        inside = [place for place in places(stored) if place and place[0] not in keys and _is_attribute(stored, place)]
        place = draw(st.sampled_from(inside))
        if len(place) == 1 and draw(st.booleans()):
            del stored[str(place[0])]
        else:
            stored = replaced(stored, place, draw(attributes))
    return stored


def _is_attribute(stored: Any, place: tuple[str | int, ...]) -> bool:
    for each in place:
        stored = stored[each]
    return (
        isinstance(stored, dict)
        and len(stored) == 1
        and stored.keys() < {"S", "N", "BOOL", "L", "M", "NULL", "B", "SS", "NS"}
    )


class OneItem:
    """A table in which one item is found, however it is asked for."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=type("Failed", (Exception,), {}))

    def __init__(self) -> None:
        self.item: dict[str, Any] = {}

    @property
    def client(self) -> Any:
        return cast("Any", self)

    def get_item(self, **_: object) -> dict[str, Any]:
        return {"Item": self.item}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        return {"Responses": {table: [self.item] for table in RequestItems}}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [{"Items": [self.item], "Count": 1}])


STEP = Step(command="RevokeSsoToken", at="zoom/acme", identity=JOHN, found_by="address", detail={"user_id": JOHN})
CASE = new_case(
    "case-1",
    [STEP],
    [JOHN],
    email=JOHN,
    event_id="hr-1",
    source="okta",
    said=[{"source": "okta", "event_id": "hr-1", "kind": "immediate", "at": NOW, "effective_at": NOW}],
    policy={"deadline": 900},
    request={"kind": "immediate"},
    urgency="routine",
    requested_at=NOW,
    effective_at=NOW,
    residual=[{"what": "a session"}],
    pending_announcements=["OffboardingStarted"],
    watch="case",
    watch_at=NOW,
).model_copy(update={"state": State.OPEN, "started_at": NOW, "deadline_at": NOW + timedelta(minutes=15)})
RECEIPT = Receipt(
    case_id="case-1",
    entry=STEP.name,
    command="RevokeSsoToken",
    system="zoom",
    subject=JOHN,
    requested_at=NOW,
    first_attempt_at=NOW,
    attempts=1,
    details={"searched": "address", "grants": 2},
)
NAME = Name(
    partition=f"person#{JOHN}",
    case="case-1",
    said={"okta": Word(at=NOW, stays=False)},
    gone_since=NOW,
    containments={"contain": "case-2"},
)
CONNECTION = connection(reason="refused", failures=2, demanded_refreshes=(NOW,), replaced_owner="ann@example.com")
HEARD = heard("message-1", NOW, source="okta", event_id="hr-1")
ITEM_KEY = ("partition", "entry")
COMMAND = f'{{"user_id": "{JOHN}", "case_id": "case-1", "account": "acme", "connection": "zoom"}}'


def _tokens(table: OneItem) -> AccessTokens:
    store = secret_store_of(StrictSecretsManager())
    return AccessTokens(Connections(table.client, table="Connections"), store, Clock(), "zoom")


def _call(_: Connection, access_token: SecretStr) -> Result:
    assert access_token
    return DONE


def _due(table: OneItem) -> object:
    connections = Connections(table.client, table="Connections")
    return [list(connections.due(NOW)), connections.owned_by(JOHN), connections.usable_at(["zoom"])]


def _watched(table: OneItem) -> object:
    cases = Cases(table.client, table="Cases")
    assert list(cases.find_due(NOW)) == ["case-1"]
    assert len(list(cases.read_summaries(NOW))) == cases.count_held() == 1, "what can't be read is counted all the same"
    return cases


#: what is read, the item as it should be with its keys, and who reads it
READ: Mapping[str, tuple[BaseModel, tuple[str, ...], Callable[[OneItem], object]]] = {
    "connection, for its token": (CONNECTION, ("connection",), lambda table: _tokens(table).with_token("zoom", _call)),
    "connection, by its account": (CONNECTION, ("connection",), lambda table: _tokens(table).account_of("zoom")),
    "connections, by an index": (CONNECTION, ("connection", "role", "provider", "status", "refresh_at"), _due),
    "case": (CASE, ITEM_KEY, lambda table: Cases(table.client, table="Cases").read("case-1")),
    "cases, by an index": (CASE, (*ITEM_KEY, "watch", "watch_at"), _watched),
    "case, with its receipts": (RECEIPT, ITEM_KEY, lambda table: Cases(table.client, table="Cases").read_receipts("1")),
    "name of a person": (NAME, ITEM_KEY, lambda table: People(table.client, table="Cases").who_says_leaves([JOHN])),
    "receipt": (RECEIPT, ITEM_KEY, lambda table: Receipts(table.client, table="Cases").read(RECEIPT)),
    "heard event": (HEARD, ITEM_KEY, lambda table: list(HeardEvents(table.client, table="Cases").find_open(NOW))),
}


@pytest.mark.parametrize("what", READ)
def test_any_record_is_read_or_refused(what: str, record_property: Callable[[str, object], None], field: Field) -> None:
    sound, keys, read = READ[what]
    table = OneItem()

    def operation(_: object) -> Result:
        read(table)
        return DONE

    queue = FuzzedQueue(RevokeSsoToken, operation)

    def end(stored: dict[str, Any]) -> str:
        table.item = stored
        return queue.takes(f'{{"user_id": "{JOHN}"}}')

    fuzz(f"record: {what}", damaged(sound, *keys), end, record_property, field)


@pytest.mark.parametrize("what", ["case", "receipt"])
def test_a_command_of_any_case_is_done_or_set_aside(
    what: str, record_property: Callable[[str, object], None], field: Field
) -> None:
    table = OneItem()

    def adapt(harness: ConsumerHarness, consumer: Consumer[Any]) -> Consumer[Any]:
        if what == "case":
            reports = StepReports(Cases(table.client, table="Cases"))
            object.__setattr__(consumer, "read_case", reports.read_case)
        else:
            harness.cases.put(CASE)
            receipts = Receipts(table.client, table="Cases")
            object.__setattr__(harness.receipts, "standing", receipts.standing)
        return consumer

    queue = FuzzedQueue(RevokeSsoToken, lambda _: DONE, adapt=adapt)

    def end(stored: dict[str, Any]) -> str:
        table.item = stored
        return queue.takes(COMMAND)

    sound = CASE if what == "case" else RECEIPT
    fuzz(f"command's {what}", damaged(sound, *ITEM_KEY), end, record_property, field)


class TwoItems(OneItem):
    """A table in which a batch finds two."""

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        return {"Responses": {table: [self.item, item(columns(RECEIPT))] for table in RequestItems}}


def test_a_receipt_that_can_not_be_read_stops_no_other() -> None:
    table, other = TwoItems(), RECEIPT.model_copy(update={"entry": "RevokeGrants#venafi/tpp"})
    table.item = item(columns(other)) | {"attempts": {"N": "1.5"}}
    found = Receipts(table.client, table="Cases").standing([RECEIPT, other])
    assert found[RECEIPT.case_id, RECEIPT.entry] == RECEIPT
    assert isinstance(found[other.case_id, other.entry], Rejected)


@pytest.mark.parametrize("damage", [{"state": {"S": CANARY}}, {"case_id": {"NULL": True}}, {"outstanding": {"N": "1"}}])
def test_a_case_that_can_not_be_read_is_watched_and_counted(damage: dict[str, Any]) -> None:
    table = OneItem()
    table.item = item(columns(CASE)) | damage
    _watched(table)
    with pytest.raises(Rejected) as refused:
        Cases(table.client, table="Cases").read("case-1")
    assert CANARY not in refused.value.reason
