"""The functions as they are packed, in Lambda's own emulator: cold, warm, out of time, out of memory, side by side.

`make proof` runs this file by its name: `make test` has no aws-sam-cli, of which the emulator is a part.
"""

import gzip
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Any, Final

import psutil
import pytest
import requests

from leaver.cases.record import new_case
from leaver.cases.user_token_index import StoredUserToken
from leaver.messages.commands import RevokeAccessToken
from leaver.providers.listing import Person as Listed
from leaver.storage.tables import columns, item
from local import acme, runtime_api
from local.acme import Person
from local.call_gate import CallGate
from local.demo_reconciliation import PARAMETERS, make_bucket, put_roster, result
from local.deployment import camel
from local.fork_server import ForkServer
from local.runtime_api import Function, RunningFunction
from local.simulators.faults import Fault, Faults
from local.simulators.grants import digest
from local.world import PEOPLE
from tests.contract.stack import FUNCTIONS, ONLY_ASKED, snake
from tests.doubles.lambda_events import event
from tests.doubles.reconciling import roster_of
from tests.e2e.everywhere import leaks
from tests.e2e.test_front_door import post
from tests.e2e.test_offboarding import requested
from tests.e2e.watched_world import ParkedMessage, WatchedWorld, in_seconds
from tests.field import Field
from tests.length import some
from tests.shipped.emulator import Emulator, invocations, lay_out_runtime

Done = Callable[[], bool]
SESSION: Final = "/v2/users/.*/token"
#: seconds: one more than a function needs to begin a message (TIME_FOR_ONE_MESSAGE)
SOON_OVER: Final = 36
#: more than a function has, as it is sent or as it unpacks
BOMBS: Final = ("600 MiB", "600 MiB in a gzip")


@cache
def answer(bomb: str) -> bytes:
    body, packed = b" " * (600 * 2**20), bomb.endswith("gzip")
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + (b"Content-Encoding: gzip\r\n" if packed else b"")
    return head + b"\r\n" + (gzip.compress(body, 1) if packed else body)


@dataclass
class Shelf:
    """Which layer the next process gets."""

    layer: Path
    runtime: Path
    data_limit: int | None = None
    emulators: list[Emulator] = field(default_factory=list)

    def emulator(
        self, function: Function, log: Path, environment: Mapping[str, str], processes: ForkServer, gate: CallGate
    ) -> Emulator:
        own = {"layer": self.layer, "runtime": self.runtime}
        made = Emulator(function, log, environment, processes, gate, **own, data_limit=self.data_limit)
        self.emulators.append(made)
        return made

    @contextmanager
    def of(self, layer: Path, data_limit: int) -> Iterator[None]:
        """Give whatever starts meanwhile another layer, and no more memory than that."""
        shipped, self.layer, self.data_limit = self.layer, layer, data_limit
        yield
        self.layer, self.data_limit = shipped, None


@pytest.fixture(scope="module")
def shelf(layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(layer, lay_out_runtime(tmp_path_factory.mktemp("runtime")))


@pytest.fixture(scope="module")
def shared_world(shelf: Shelf) -> Iterator[WatchedWorld]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime_api, "_Sandbox", shelf.emulator)
        with WatchedWorld(DeactivateUsers="true", NotifyTopicArn=PEOPLE, **PARAMETERS) as world:
            acme.set_up(world)
            make_bucket(world)
            yield world
    left = [" ".join(each.cmdline()) for each in psutil.Process().children(recursive=True)]
    assert [each for each in left if "lambda" in each] == []


@pytest.fixture
def world(shared_world: WatchedWorld) -> WatchedWorld:
    shared_world.forget()
    return shared_world


# --- what a function is asked for, and whether it is done ---


def end_session(world: WatchedWorld) -> Done:
    person = world.hire()
    world.send("revoke_sso_token", {"user_id": person.email, "connection": "zoom"})
    return lambda: not world.zoom.has_session(person.email)


def fetch_user_token(world: WatchedWorld) -> Done:
    person = world.hire()
    world.send("retrieve_user_token", {"user_id": person.email, "connection": "zoom"})
    return lambda: digest(world.user_token(person)) == world.zoom.user_tokens(person.email)[-1].digest


def destroy_user_token(world: WatchedWorld) -> Done:
    person = world.hire()
    keep_dead_token(world, person)
    world.send("purge_user_tokens", {"user_id": person.email, "connection": "zoom"})
    return lambda: not has_user_token(world, person)


def destroy_dead_token(world: WatchedWorld) -> Done:
    person = world.hire()
    keep_dead_token(world, person)
    world.fire_schedule("watch_deadlines")
    return lambda: not has_user_token(world, person)


def deactivate(world: WatchedWorld) -> Done:
    person = world.hire()
    world.send("deactivate_user", {"user_id": person.email, "connection": "zoom"})
    return lambda: [each["status"] for each in world.zoom.users() if each["email"] == person.email] == ["inactive"]


def revoke_grants(world: WatchedWorld) -> Done:
    person = world.hire()
    world.send("revoke_grants", {"identity": person.email, "connection": "venafi"})
    return lambda: world.venafi.live_grants(person.venafi_id) == 0


def refresh(world: WatchedWorld) -> Done:
    connection = world.connect_zoom()
    world.send("refresh_access_token", {"connection": connection, "force": True})
    return is_refreshed(world, connection)


def refresh_what_is_due(world: WatchedWorld) -> Done:
    connection = world.connect_zoom()
    world.change_record(connection, refresh_at=in_seconds(-1))
    world.fire_schedule("schedule_refreshes")
    return is_refreshed(world, connection)


def revoke_connection(world: WatchedWorld) -> Done:
    connection = world.connect_zoom()
    world.send("revoke_access_token", {"connection": connection, "confirm": RevokeAccessToken.CONFIRMATION})
    return lambda: world.zoom.live_tokens(connection) == {"access": [], "refresh": []}


def look_up(world: WatchedWorld) -> Done:
    person = world.hire()
    hibob_id = world.leaves_at_hibob(person)
    told = {"event_id": f"hr-{person.email}", "source": "hibob", "source_id": hibob_id, "kind": "immediate"}
    unnamed = told | {"effective_at": in_seconds(0), "occurred_at": in_seconds(0)}
    world.send("look_up_person", {"unnamed": unnamed, "missing": "look it up"})
    return lambda: any(each["email"] == person.email for each in world.cases())


def deliver(world: WatchedWorld) -> Done:
    person = world.hire()
    headers, body = acme.standard_webhook(person, datetime.now(UTC))

    def post_once() -> None:
        with suppress(requests.ReadTimeout):
            post(world, "/standard/main", body.encode(), headers)

    posting = Thread(target=post_once)
    posting.start()

    def is_taken() -> bool:
        posting.join()
        # What its function did not answer, a sender posts again; what it did is known by its id.
        answer = post(world, "/standard/main", body.encode(), headers)
        world.wait_until_idle()
        return answer.status_code == HTTPStatus.OK and case_of(world, person) == "completed"

    return is_taken


def offboard(world: WatchedWorld) -> Done:
    person = world.hire()
    world.send("start_offboarding", requested(person, event_id=f"hr-{person.email}"))
    return lambda: not world.zoom.has_session(person.email) and case_of(world, person) == "completed"


def seal(world: WatchedWorld) -> Done:
    person, now = world.hire(), datetime.now(tz=UTC)
    fields = {"email": person.email, "event_id": "by-hand", "source": "by-hand", "urgency": "routine"}
    case = new_case(
        f"c-before.{person.zoom_id}",
        (),
        [person.email],
        **fields,
        requested_at=now,
        effective_at=now,
        sweep_of="c-before",
    )
    begun = item(columns(case.after_start(now, deadline=timedelta(hours=1))))
    world.client("dynamodb").put_item(TableName=world.resource("Cases").ref, Item=begun)
    world.send("seal_case", {"case_id": case.case_id})
    return lambda: case_of(world, person) == "completed"


def tell_people(world: WatchedWorld) -> Done:
    case_id = f"c-{world.hire().zoom_id}"
    held = {"announcement_id": case_id, "case_id": case_id, "steps": [], "outstanding": [], "residual": []}
    world.send("notify_people", event("OffboardingHeld", held, source="leaver"))
    return lambda: [case_id in each["default"] for each in world.told()].count(True) == 1


def compare_with_the_roster(world: WatchedWorld) -> Done:
    put_roster(world, roster_of([Listed(each.email) for each in acme.PEOPLE], datetime.now(UTC)))
    (run,) = world.send("reconcile", {})

    def is_whole() -> bool:
        found = result(world)
        return found is not None and found["run"] == run and found["stopped"] == []

    return is_whole


def is_refreshed(world: WatchedWorld, connection: str) -> Done:
    before = world.record(connection)["version"]
    return lambda: (
        world.record(connection)["version"] != before
        and digest(world.tokens(connection)["refresh_token"]) in world.zoom.live_tokens(connection)["refresh"]
    )


def keep_dead_token(world: WatchedWorld, person: Person) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    name = f"leaver/user-tokens/{person.zoom_id}/zoom/zak"
    world.client("secretsmanager").create_secret(Name=name, SecretString='{"token": "dead"}')
    stored = StoredUserToken(
        partition=f"user-token#{person.zoom_id}",
        entry="zoom#zak",
        connection="zoom",
        zoom_user_id=person.zoom_id,
        type="zak",
        expires_at=long_ago,
    ).with_expected(long_ago)
    world.client("dynamodb").put_item(TableName=world.resource("Cases").ref, Item=item(columns(stored)))


def has_user_token(world: WatchedWorld, person: Person) -> bool:
    listed = world.client("secretsmanager").get_paginator("list_secrets").paginate()
    return any(person.zoom_id in each["Name"] for page in listed for each in page["SecretList"])


def parked(world: WatchedWorld, function: str) -> list[ParkedMessage]:
    return [] if camel(function) in ONLY_ASKED else world.parked(function)


def case_of(world: WatchedWorld, person: Person) -> Any:
    return next((each["state"] for each in world.cases() if each["email"] == person.email), None)


@dataclass(frozen=True)
class Errand:
    """What one function does, and where its process stands still.

    That is after a provider did as it was asked, and nobody was told; or before an operation of AWS.
    """

    ask: Callable[[WatchedWorld], Done]
    at: str


ERRANDS: Final = {
    "retrieve_user_token": Errand(fetch_user_token, f"zoom GET {SESSION}"),
    # Its tokens, before it asks for new ones: for the call itself it wants more time than SOON_OVER.
    "refresh_access_token": Errand(refresh, "GetSecretValue"),
    "revoke_access_token": Errand(revoke_connection, "zoom POST /oauth/revoke"),
    "revoke_sso_token": Errand(end_session, f"zoom DELETE {SESSION}"),
    "revoke_grants": Errand(revoke_grants, "venafi POST /vedsdk/oauth/revokegrants"),
    "purge_user_tokens": Errand(destroy_user_token, "DeleteSecret"),
    "deactivate_user": Errand(deactivate, "zoom PUT /v2/users/.*/status"),
    "schedule_refreshes": Errand(refresh_what_is_due, "SendMessageBatch"),
    "start_offboarding": Errand(offboard, "PutEvents"),
    "look_up_person": Errand(look_up, "SendMessage"),
    "seal_case": Errand(seal, "UpdateItem"),
    "watch_deadlines": Errand(destroy_dead_token, "DeleteSecret"),
    "receive_webhook": Errand(deliver, "PutEvents"),
    "notify_people": Errand(tell_people, "GetItem"),
    "reconcile": Errand(compare_with_the_roster, "zoom GET /v2/users"),
}


def test_every_function_has_an_errand() -> None:
    assert list(ERRANDS) == [snake(each) for each in FUNCTIONS]


# --- cold and warm ---


@pytest.mark.parametrize("function", some(ERRANDS))
def test_a_function_does_its_work_cold_and_then_warm(world: WatchedWorld, function: str) -> None:
    running = world.functions[function]
    before = invocations(running.log())
    running.kill()
    seen = []
    for _ in ("cold", "warm"):
        done = ERRANDS[function].ask(world)
        world.wait_until_idle()
        assert done()
        seen.append(tuple(now - then for now, then in zip(invocations(running.log()), before, strict=True)))
    (cold_starts, cold_events), (starts, events) = seen
    assert (cold_starts, starts) == (1, 1)
    assert events > cold_events > 0
    assert parked(world, function) == []


# --- out of time ---


def stand_still(world: WatchedWorld, errand: Errand, function: str, held: dict[str, int]) -> Done:
    """Let a function's process stop at its effect, as if its machine had stopped below it."""
    where, _, call = errand.at.rpartition(" ")
    provider, _, method = where.partition(" ")
    if provider:
        simulator = world.zoom if provider == "zoom" else world.venafi
        simulator.inject(call, method=method, hold="after")
        wait = simulator.wait_until_held
    else:
        provider = "aws"
        world.aws.gate.hold(call, "before")
        wait = world.aws.gate.wait_until_held
    done = errand.ask(world)
    held[provider] = held.get(provider, 0) + 1
    assert wait(held[provider], timeout_s=30) == held[provider], function
    for emulator in world.functions[function]._busy:
        assert isinstance(emulator, Emulator)
        emulator.stop_the_clock()
    return done


@contextmanager
def timeout_of(running: RunningFunction, seconds: float) -> Iterator[None]:
    """Give the next process of a function so much time, and later ones what the template gives."""
    declared = running.function
    running.kill()
    running.function = replace(declared, timeout=seconds)
    yield
    running.function = declared


def finished(world: WatchedWorld) -> set[tuple[str, str]]:
    return {(each["partition"], each["entry"]) for each in world.receipts() if "outcome" in each}


def test_what_lambda_ends_at_its_time_out_comes_back_and_is_done_and_nothing_was_claimed_meanwhile(
    world: WatchedWorld, field: Field
) -> None:
    functions, before = some(ERRANDS), finished(world)
    held: dict[str, int] = {}
    done: dict[str, Done] = {}
    for function in functions:
        with timeout_of(world.functions[function], SOON_OVER):
            done[function] = stand_still(world, ERRANDS[function], function, held)
    world.settle(SOON_OVER + 30)
    ended = [each for each in functions if "Reset initiated: Timeout" in world.logs(each)]
    # What only the schedule starts is started again at once.
    claimed = [*(finished(world) - before), *(set(world.announced_names()) - {"AccessTokenRefreshed"})]
    world.aws.gate.release(drop=True)
    world.zoom.release()
    world.venafi.release()
    for function in functions:
        world.kill(function)
    world.age_intents()
    world.try_again()
    lost = [function for function, is_done in done.items() if not is_done() or parked(world, function)]
    field(
        "Lambda's time-out",
        f"a process stands still at its effect until the emulator ends it after {SOON_OVER} s",
        len(ended),
        lost=lost,
        false=claimed,
        leaked=leaks(world, []),
    )
    assert ended == functions


# --- out of memory ---


@pytest.fixture
def bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a provider reply by the name of a bomb."""
    raw_answer = Faults.raw_answer

    def with_bombs(faults: Faults, fault: Fault) -> bytes | None:
        return answer(fault.reply) if fault.reply in BOMBS else raw_answer(faults, fault)

    monkeypatch.setattr(Faults, "raw_answer", with_bombs)


def short_of_memory(log: str) -> int:
    """How often a function was refused memory, or died of it."""
    return sum(log.count(sign) for sign in ("MemoryError", "can't start new thread", "Runtime exited"))


def ended_by_lambda(running: RunningFunction, printed: int) -> int:
    """How many processes Lambda would have ended because they held too much, and how often one died since."""
    emulators: list[Any] = [*running._all()]
    peaks: list[float] = [each.peak for each in emulators]
    assert any(peaks)
    return sum(peak > running.function.memory for peak in peaks) + short_of_memory(running.log()[printed:])


#: at which of a provider's calls each meets a bomb
CALLS: Final = {function: errand.at for function, errand in ERRANDS.items() if " " in errand.at} | {
    "refresh_access_token": "zoom POST /oauth/token"
}
#: whose messages name one person of ten, and where the call is about that person
BATCHES: Final = {
    "revoke_sso_token": "/v2/users/{}/token",
    "retrieve_user_token": "/v2/users/{}/token",
    "deactivate_user": "/v2/users/{}/status",
}


def blow_up(world: WatchedWorld, function: str, bomb: str) -> tuple[list[str], list[str]]:
    """Send a batch of ten, of which five meet a bomb; returns the messages of these, and of their neighbours."""
    people = [world.hire() for _ in range(10)]
    for person in people[::2]:
        world.zoom.inject(BATCHES[function].format(person.zoom_id), times=None, handling="skip", reply=bomb)
    sent = world.send(function, *({"user_id": each.zoom_id, "connection": "zoom"} for each in people))
    world.settle(120)
    return sent[::2], sent[1::2]


@pytest.mark.usefixtures("bombs")
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("function", some(BATCHES))
def test_an_answer_that_is_larger_than_the_memory_costs_its_own_message_an_attempt_and_no_neighbour_anything(
    world: WatchedWorld, field: Field, function: str, bomb: str
) -> None:
    printed = len(world.logs(function))
    struck, neighbours = blow_up(world, function, bomb)
    receipts = {each: world.receipt(each) for each in (*struck, *neighbours)}
    false = [each for each in struck if "outcome" in receipts[each]]
    hurt = [each for each in neighbours if "outcome" not in receipts[each]]
    world.zoom.clear_faults()
    world.try_again()
    lost = [each for each in struck if world.receipt(each).get("outcome") == "failed"] + world.parked(function)
    field(
        "an answer without end",
        f"{bomb}, at every other message of a batch of ten",
        len(struck),
        lost=len(lost) + len(hurt),
        false=false,
        leaked=leaks(world, []),
        crashed=ended_by_lambda(world.functions[function], printed),
    )


@pytest.mark.usefixtures("bombs")
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("function", some(CALLS))
def test_a_function_survives_an_answer_that_is_larger_than_its_memory_and_does_its_work(
    world: WatchedWorld, field: Field, function: str, bomb: str
) -> None:
    provider, method, path = CALLS[function].split()
    simulator = world.zoom if provider == "zoom" else world.venafi
    printed, before = len(world.logs(function)), len(simulator.journal(path, method))
    simulator.inject(path, method=method, handling="skip", reply=bomb)
    done = ERRANDS[function].ask(world)
    world.settle(60)
    world.try_again()
    struck = [each.status for each in simulator.journal(path, method)[before:]].count(200)
    field(
        "an answer without end",
        f"{bomb}, at each call that ends or fetches something",
        min(struck, 1),
        lost=int(not done()) + len(world.parked(function)),
        leaked=leaks(world, []),
        crashed=ended_by_lambda(world.functions[function], printed),
    )


@pytest.mark.usefixtures("bombs")
def test_a_function_that_would_read_all_that_it_is_sent_runs_short_of_memory_and_loses_nothing(
    world: WatchedWorld, shelf: Shelf, tmp_path: Path, field: Field
) -> None:
    greedy = shutil.copytree(shelf.layer, tmp_path / "python")
    body = greedy / "leaver" / "providers" / "body.py"
    body.write_text(body.read_text().replace("MAX_BODY: Final = 2**20", "MAX_BODY: Final = 2**40"))
    # What is compiled is never compared with its source.
    for compiled in body.parent.glob("__pycache__/body.*"):
        compiled.unlink()
    running = world.functions["revoke_sso_token"]
    printed = len(running.log())
    running.kill()
    with shelf.of(greedy, running.function.memory):
        struck, neighbours = blow_up(world, "revoke_sso_token", BOMBS[1])
        refused = short_of_memory(running.log()[printed:])
    claimed = finished(world) & {(f"message#{each}", "RevokeSsoToken") for each in struck}
    running.kill()
    world.zoom.clear_faults()
    world.try_again()
    ended = [each for each in (*struck, *neighbours) if world.receipt(each).get("outcome") == "revoked"]
    field(
        "a function short of memory",
        f"a layer that reads 600 MiB, under RLIMIT_DATA of {running.function.memory} MiB",
        refused,
        lost=len(struck) + len(neighbours) - len(ended) + len(world.parked("revoke_sso_token")),
        false=claimed,
    )


def test_a_function_that_holds_more_than_its_memory_is_noticed(
    world: WatchedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = end_session(world)
    world.wait_until_idle()
    assert done()
    running = world.functions["revoke_sso_token"]
    printed = len(running.log())
    assert ended_by_lambda(running, printed) == 0
    monkeypatch.setattr(running, "function", replace(running.function, memory=32))
    assert ended_by_lambda(running, printed) == 1


# --- dead, side by side, and gone ---


def test_what_a_killed_function_had_finished_is_kept_and_the_rest_comes_back(world: WatchedWorld, field: Field) -> None:
    one, other = world.hire(), world.hire()
    path = "/v2/users/{}/token"
    world.zoom.inject(path.format(other.zoom_id), hold="before")
    sent = world.send("revoke_sso_token", *({"user_id": each.zoom_id, "connection": "zoom"} for each in (one, other)))
    assert world.zoom.wait_until_held() == 1
    world.wait_until(lambda: finished(world) >= {(f"message#{sent[0]}", "RevokeSsoToken")})
    claimed = finished(world) & {(f"message#{sent[1]}", "RevokeSsoToken")}
    printed = len(world.logs("revoke_sso_token"))
    world.kill("revoke_sso_token")
    world.settle()
    died = world.logs("revoke_sso_token")[printed:].count("signal: killed")
    world.zoom.release()
    world.try_again()
    outcomes = [world.receipt(each)["outcome"] for each in sent]
    field(
        "a function killed for its memory",
        "SIGKILL while one message of a batch is done and the other is at the provider",
        min(died, 1),
        lost=outcomes.count("failed") + sum(world.zoom.has_session(each.email) for each in (one, other)),
        false=claimed,
    )
    assert len(world.zoom.journal(path.format(one.zoom_id))) == 1
    assert outcomes[0] == "revoked"


def test_invocations_at_the_same_time_have_an_emulator_each(world: WatchedWorld) -> None:
    routine, urgent = world.hire(), world.hire()
    world.zoom.inject(f"/v2/users/{routine.zoom_id}/token", hold="before")
    world.send("revoke_sso_token", {"user_id": routine.zoom_id, "connection": "zoom"})
    assert world.zoom.wait_until_held() == 1
    world.put_command("RevokeSsoToken", {"user_id": urgent.zoom_id, "connection": "zoom", "urgency": "urgent"})
    world.wait_until(lambda: not world.zoom.has_session(urgent.email))
    assert len(world.functions["revoke_sso_token"].pids) == 2
    assert world.zoom.has_session(routine.email)
    world.zoom.release()
    world.wait_until_idle()
    assert not world.zoom.has_session(routine.email)


def test_an_emulator_listens_on_this_machine_alone(world: WatchedWorld, shelf: Shelf) -> None:
    assert world.functions
    listening = [
        each.laddr.ip
        for emulator in shelf.emulators
        if emulator.alive
        for each in psutil.Process(emulator._process.pid).net_connections()
        if each.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}
