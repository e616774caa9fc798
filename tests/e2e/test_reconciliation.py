"""Who was forgotten, in the whole local world: found in one night, held in the next, and ended by a person's word."""

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leaver.providers.listing import Person as Listed
from leaver.reconcile.record import MEMORY_KEPT, Documents, Runs, State, memory_name
from local import acme
from local.demo_reconciliation import PARAMETERS, make_bucket, put_roster, result
from tests.doubles.reconciling import roster_of
from tests.e2e.operated import Operated

GONE = acme.GRACE


@pytest.fixture(scope="module")
def world() -> Iterator[Operated]:
    with Operated(**PARAMETERS) as world:
        acme.set_up(world)
        make_bucket(world)
        yield world


def roster(*gone: acme.Person, said: int | None = None) -> bytes:
    people = [Listed(each.email, is_gone=each in gone) for each in acme.PEOPLE]
    return roster_of(people, datetime.now(UTC), said)


def state(world: Operated) -> State:
    found = Runs(world.client("dynamodb"), table=world.resource("Deliveries").ref).read()
    assert found is not None
    return found


def let_a_day_pass(world: Operated) -> None:
    """Have the last good run remember that it saw everybody a day ago."""
    documents = Documents(
        world.client("dynamodb"), table=world.resource("Deliveries").ref, clock=lambda: datetime.now(UTC)
    )
    name = memory_name(str(state(world).good))
    memory = documents.read(name)
    for each in memory["sightings"].values():
        each["since"] = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    documents.put(name, memory, MEMORY_KEPT)


def test_who_was_forgotten_is_found_then_held_then_ended_by_a_persons_word(world: Operated, tmp_path: Path) -> None:
    put_roster(world, roster(GONE))
    world.fire_schedule("reconcile")
    world.wait_until_idle(timeout=120)
    first = result(world)
    assert first is not None
    assert (first["stopped"], first["held"]) == ([], [])
    assert {row["who"] for row in first["lists"]["gone_and_alive"]} == {GONE.email}
    let_a_day_pass(world)

    found = world.leaver("reconcile")
    assert found.exit_code == 1, found.output
    assert GONE.email in found.stdout
    world.wait_until_idle(timeout=120)
    [case] = [each for each in world.cases() if each["email"] == GONE.email]
    assert (case["state"], case["source"]) == ("held", "reconcile")
    assert world.zoom.has_session(GONE.email)

    assert world.leaver("release", case["case_id"], "--yes").exit_code == 0
    world.wait_until_idle(timeout=120)
    assert not world.zoom.has_session(GONE.email)
    assert world.venafi.live_grants(GONE.venafi_id) == 0
    assert all(world.zoom.has_session(each.email) for each in acme.PEOPLE if each is not GONE)

    last = world.leaver("reconcile", "--last")
    assert re.search(r"signed at 20\d\d-\S+Z: leaver evidence", last.stderr)

    # Both nights are signed, and an auditor gets them with what was found.
    written = world.leaver("evidence", "--since", "2020-01-01", "--out", tmp_path / "out")
    assert (written.exit_code, "2 reconciliations, 0 findings" in written.output) == (0, True), written.output
    assert len(list((tmp_path / "out").glob("reconciliations/run-*/result.json"))) == 2

    world.fire_schedule("reconcile")
    world.wait_until_idle(timeout=120)
    third = result(world)
    assert third is not None
    assert GONE.email in {row["who"] for row in third["lists"]["gone_and_clean"]}


def test_a_roster_by_hand_that_was_cut_short_stops_the_run_with_what_it_would_have_done(
    world: Operated, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(roster(acme.ALAN, said=7))
    done = world.leaver("reconcile", "--roster", path, "--dry-run", "--csv")
    assert done.exit_code == 1, done.output
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert ("gone_and_alive", acme.ALAN.email) in {(each["list"], each["who"]) for each in rows}
    told = json.loads(world.leaver("reconcile", "--last", "--json").stdout)
    assert told["signed_at"] is None
    assert "cut short: it says 7 people, and has 6" in told["result"]["stopped"][0]
    assert world.zoom.has_session(acme.ALAN.email)


def test_okta_is_a_roster_and_what_has_no_token_any_more_waits_for_a_new_one(world: Operated) -> None:
    acme.connect_by_key(world, "okta", "okta")
    for number, each in enumerate(acme.PEOPLE):
        world.hr.add_person("okta", f"00u{number:013}", each.email)
    done = world.leaver("reconcile", "--roster", "okta", "--dry-run")
    assert done.exit_code == 0, done.output
    world.zoom.inject("/v2/users", times=1, handling="skip", reply="zoom/401-124-expired")
    world.send("reconcile", {"roster": "okta", "dry_run": True})
    world.try_again(timeout=120)
    assert "/v2/users" in {each.path for each in world.zoom.journal()}
    assert world.parked("reconcile") == []
