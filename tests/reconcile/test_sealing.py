"""What a run found is signed and logged by its digest: nobody can change it later, or take a night away."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from functions.seal_case.app import SealCase, SealRun, seal_run, understand
from leaver.errors import BadMessage, NotKept
from leaver.evidence.canonical_json import read_canonical
from leaver.messages.envelope import Payload
from leaver.messages.publisher import Publisher
from leaver.providers.listing import Holding, Person
from leaver.reconcile.record import canonical as text_of
from leaver.reconcile.record import digest_of
from leaver.reconcile.sealing import RunEvidence, Summary
from tests.doubles.cases_table import InMemoryCases
from tests.doubles.clock import NOW
from tests.doubles.event_bus import FakeBus
from tests.doubles.evidence import Evidence
from tests.doubles.reconciling import Reconciled
from tests.doubles.sqs import DEAD_LETTERS, SEAL_QUEUE, FakeSqs
from tests.doubles.steps import Killed, die

NAMES = ("ada@example.com", "gone@example.com", "Zgone")


def company() -> Reconciled:
    people = [Person("ada@example.com"), Person("gone@example.com", is_gone=True)]
    zoom = [Holding(kind="account", id="Zgone", email="gone@example.com", what="active")]
    return Reconciled(people, zoom)


def evidence_of(world: Reconciled) -> Evidence:
    return Evidence(InMemoryCases(), world.clock)


def asked(detail: dict[str, Any]) -> Payload:
    return Payload("m-1", None, detail, None, NOW, "reconcile")


def summary_of(told: Any) -> Summary:
    command = understand(asked({"reconciled": told}))
    assert isinstance(command, SealRun)
    return command.reconciled


def test_a_run_that_is_done_is_signed_stored_and_logged_and_names_nobody() -> None:
    world = company()
    result = world.run("night-1")
    [told] = world.told_to_seal
    evidence = evidence_of(world)
    RunEvidence(evidence.of_cases.statements).keep(summary_of(told))
    stored = evidence.bucket.objects
    folder = "reconciliations/run-night-1"
    assert set(stored) == {f"{folder}/{each}" for each in ("bundle.json", "envelope.json", "envelope.tlog-proof")}
    bundle = read_canonical(stored[f"{folder}/bundle.json"])
    assert bundle["result"]["sha256"] == digest_of(text_of(result)) == world.announced[-1].digest
    assert bundle["counts"]["gone_and_alive"] == 1
    assert bundle["roster"]["as_of"] == result["roster"]["as_of"]
    assert evidence.log.has("run-night-1")
    every = b"".join(stored.values()) + json.dumps(told).encode()
    assert not [each for each in NAMES if each.encode() in every]


def test_a_run_that_was_stopped_is_signed_and_a_dry_one_is_not() -> None:
    world = company()
    world.said = 3
    world.run("night-1")
    [told] = world.told_to_seal
    assert told["stopped"] > 0
    world.run("night-2", dry_run=True)
    assert len(world.told_to_seal) == 1


def test_a_run_that_is_killed_anywhere_is_signed_as_it_is_kept() -> None:
    for place in count():
        world = company()
        met = world.effects.interrupt(place, "after", die)
        try:
            world.run("night-1")
        except Killed:
            # It was the process: another goes on.
            world.effects.dead.clear()
            world.run("night-1")
        if not met:
            return
        kept = world.runs.read()
        assert kept is not None
        assert {each["result"]["sha256"] for each in world.told_to_seal} == {kept.digest}, met


def test_told_twice_it_is_logged_once_and_told_otherwise_it_is_refused() -> None:
    world = company()
    world.run("night-1")
    told = dict(world.told_to_seal[0])
    evidence = evidence_of(world)
    runs = RunEvidence(evidence.of_cases.statements)
    runs.keep(summary_of(told))
    world.clock.passes(minutes=5)
    runs.keep(summary_of(told))
    assert len(evidence.log.hashes) == 1
    with pytest.raises(NotKept, match="another summary"):
        runs.keep(summary_of({**told, "calls": told["calls"] + 1}))


def test_what_cannot_be_is_not_signed() -> None:
    world = company()
    world.run("night-1")
    told = dict(world.told_to_seal[0])
    runs = RunEvidence(evidence_of(world).of_cases.statements)
    for wrong in ({"finished_at": "2000-01-01T00:00:00Z"}, {"stopped": 1, "held": 1}, {"finished_at": "2100-01-01"}):
        with pytest.raises(NotKept):
            runs.keep(summary_of({**told, **wrong}))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda told: {**told, "names": ["ada@example.com"]},
        lambda told: {**told, "run": "../../cases/c-1"},
        lambda told: {**told, "result": {"sha256": "ada@example.com"}},
        lambda told: {**told, "counts": {**told["counts"], "ada@example.com": 1}},
    ],
)
def test_a_message_with_a_name_or_a_way_out_of_the_folder_is_refused(
    wrong: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    world = company()
    world.run("night-1")
    with pytest.raises(BadMessage):
        summary_of(wrong(dict(world.told_to_seal[0])))


def test_a_message_by_the_bus_is_refused_and_a_case_is_still_a_case() -> None:
    world = company()
    world.run("night-1")
    by_bus = replace(asked({"reconciled": world.told_to_seal[0]}), event={})
    with pytest.raises(BadMessage, match="straight in the queue"):
        understand(by_bus)
    assert isinstance(understand(asked({"case_id": "c-1"})), SealCase)


def test_without_a_roster_a_run_stops_before_it_asks_anybody() -> None:
    world = company()
    result = world.run("night-1", roster="none")
    assert (result["calls"], result["places"], result["held"]) == (0, [], [])
    assert "roster: there is none" in result["stopped"]


def test_two_results_of_the_same_people_have_two_digests() -> None:
    worlds = [company(), company()]
    digests = {digest_of(text_of(each.run("night-1"))) for each in worlds}
    assert len(digests) == 2


def test_no_case_waits_behind_a_run_that_cannot_be_signed() -> None:
    world = company()
    world.run("night-1")
    sqs = FakeSqs()
    publisher = Publisher(
        events=FakeBus().client,
        sqs=sqs.client,
        bus="leaver",
        dead_letter_queue_url=DEAD_LETTERS,
        seal_queue_url=SEAL_QUEUE,
    )
    publisher.request_run(world.told_to_seal[0])
    publisher.request_seal("c-1")
    run, case = sqs.to(SEAL_QUEUE)
    assert run["MessageGroupId"] != case["MessageGroupId"]
    assert summary_of(json.loads(run["MessageBody"])["reconciled"]).run == "night-1"


def test_a_run_that_could_not_be_signed_comes_back_and_the_alarm_rings() -> None:
    world = company()
    world.run("night-1")
    evidence = evidence_of(world)
    runs = RunEvidence(evidence.of_cases.statements)
    measured: list[str] = []
    command = SealRun(reconciled=summary_of(world.told_to_seal[0]))
    evidence.signer.is_disabled = True
    with pytest.raises(NotKept):
        seal_run(command, runs, measure=lambda name, _: measured.append(name))
    assert measured == ["CasesNotSealed"]
    evidence.signer.is_disabled = False
    seal_run(command, runs, measure=lambda name, _: measured.append(name))
    assert (measured, evidence.log.has("run-night-1")) == (["CasesNotSealed"], True)
