"""A run goes on where it was, whoever kills it; two are never under way; and what is not whole is not acted on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain, count, repeat

import pytest
from pydantic import SecretStr

from functions.reconcile.app import Reconcile
from leaver.cases.people import Name
from leaver.connections.record import Status
from leaver.consuming.rate_limiter import Demand, Reservation
from leaver.errors import NoSlot, ProviderUnavailable, Throttled
from leaver.messages.events import OffboardingRequested
from leaver.providers.listing import CutShort, Holding, Person
from leaver.storage.user_token_secrets import FoundUserToken, UserTokenPlace
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.rate_limiter import NoLimit
from tests.doubles.reconciling import Reconciled
from tests.doubles.steps import Killed, die

HERE = [Person(f"p{number}@example.com") for number in range(30)]
GONE = Person("gone@example.com", is_gone=True)


def account(email: str, id_: str) -> Holding:
    return Holding(kind="account", id=id_, email=email, what="active")


def company(here: int = 30) -> Reconciled:
    """Thirty people who are here, one who left and has an account and a grant."""
    zoom = [account(each.email, f"Z{number}") for number, each in enumerate(HERE[:here])]
    zoom.append(account("GONE@example.com", "Zgone"))
    venafi = [Holding(kind="grant", id="local:{gone}", email="gone@example.com", what="grant of vcert")]
    return Reconciled([*HERE[:here], GONE], zoom, venafi)


def twice(world: Reconciled, **asked: object) -> dict[str, object]:
    """Two good nights, one after the other."""
    world.run("night-1", **asked)
    world.clock.passes(hours=24)
    return world.run("night-2", **asked)


def test_who_is_seen_a_second_time_waits_for_a_person_and_nobody_else_does() -> None:
    world = company()
    first = world.run("night-1")
    assert (first["counts"]["gone_and_alive"], first["held"], world.said_words) == (2, [], [])
    world.clock.passes(hours=24)
    assert world.run("night-2")["held"] == ["GONE@example.com"]
    (word,) = world.said_words
    assert (word.source, word.held is not None) == ("reconcile", True)
    assert word.subject.identities == {
        "zoom": {"id": "Zgone"},
        "venafi": {"prefixed_universal": "local:{gone}"},
    }
    world.clock.passes(hours=24)
    world.run("night-3")
    assert len(world.said_words) == 1


def test_who_vanishes_from_the_roster_is_gone_and_who_is_back_is_not() -> None:
    world = company()
    world.run("night-1")
    vanished = world.people.pop(3)
    world.clock.passes(hours=24)
    found = world.run("night-2")["lists"]["gone_and_alive"]
    assert "p3@example.com" in {row["who"] for row in found}
    world.clock.passes(hours=24)
    world.run("night-3")
    assert "p3@example.com" in {each.subject.email for each in world.said_words}
    world.people.append(vanished)
    world.clock.passes(hours=24)
    assert "p3@example.com" not in {row["who"] for row in world.run("night-4")["lists"]["gone_and_alive"]}


def test_a_dry_run_says_what_it_would_hold_and_neither_holds_nor_remembers() -> None:
    world = company()
    world.run("night-1")
    world.clock.passes(hours=24)
    dry = world.run("by-hand", dry_run=True)
    assert (dry["would_hold"], dry["held"], world.said_words) == (["GONE@example.com"], [], [])
    standing = world.runs.read()
    assert standing is not None
    assert (standing.good, standing.last) == ("night-1", "by-hand")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("cut short", "was cut short"),
        ("old", "is old"),
        ("shrank", "shrank by more than 5 %"),
        ("listing", "zoom/acme: Zoom says"),
        ("no connection", "venafi/tpp: no connection can be used"),
        ("two alike", "an address of person"),
    ],
)
def test_what_is_not_whole_stops_the_run_loudly_with_what_it_would_have_done(spoil: str, why: str) -> None:
    world = company()
    world.run("night-1")
    world.clock.passes(hours=24)
    match spoil:
        case "cut short":
            world.said = 40
        case "old":
            world.as_of = NOW - timedelta(days=2)
        case "shrank":
            del world.people[:2]
        case "listing":
            zoom = world.listings["zoom/acme"]
            zoom.fails_at, zoom.error = 3, CutShort("Zoom says that 31 people are active, and lists 6 of them")
        case "no connection":
            world.connections.alter("venafi", status=Status.NEEDS_REAUTHORIZATION)
        case _:
            world.people.append(Person("P1@example.com"))
    result = world.run("night-2")
    assert why in "; ".join(result["stopped"])
    assert (result["held"], world.said_words) == ([], [])
    assert spoil in {"listing", "no connection"} or "GONE@example.com" in result["would_hold"]
    assert world.announced[-1].detail_type == "ReconciliationStopped"
    assert world.gauges[-1] == {"ReconciliationsStopped": 1}
    standing = world.runs.read()
    assert standing is not None
    assert standing.good == "night-1"


def test_a_roster_that_loses_a_page_at_its_source_calls_nobody_gone() -> None:
    world = company()
    world.settings = {"roster": "okta"}
    world.connections.put(connection("okta", provider="okta", account="acme"))
    world.run("night-1")
    world.clock.passes(hours=24)
    del world.by_system.there[4:6]  # type: ignore[attr-defined]  # it is a list
    assert "shrank" in world.run("night-2")["stopped"][0]
    assert not world.said_words


def test_what_fails_for_a_while_is_tried_again_and_goes_on_where_it_was() -> None:
    world = company()
    zoom = world.listings["zoom/acme"]
    zoom.fails_at, zoom.error = 7, ProviderUnavailable("out of order")
    with pytest.raises(ProviderUnavailable):
        world.run("night-1")
    pages = [name for name in world.documents.kept if "#page#1#" in name]
    zoom.error = NoSlot("a leaver comes first", until=NOW)
    with pytest.raises(NoSlot):
        world.run("night-1")
    zoom.error = None
    assert world.run("night-1")["counts"]["gone_and_alive"] == 2
    assert len(pages) == 7


def test_a_run_that_has_no_time_left_goes_on_by_another_message() -> None:
    world = company()
    command, invocations = Reconcile(run="night-1"), 0
    while not ((standing := world.runs.read()) and standing.is_done):
        world.reconciliation.work(command, chain([True] * 3, repeat(object=False)).__next__)
        if world.going_on:
            command = world.going_on.pop()
            assert command.goes_on
        invocations += 1
    assert invocations > 5
    assert world.result("night-1")["counts"]["gone_and_alive"] == 2


def test_two_runs_at_once_are_one() -> None:
    world = company()
    world.reconciliation.work(Reconcile(run="one"), iter([True, True, False]).__next__)
    world.reconciliation.work(Reconcile(run="two"), lambda: True)
    assert "two#result" not in world.documents.kept
    assert world.run("one")["run"] == "one"
    world.run("two")
    world.reconciliation.work(Reconcile(run="one", goes_on=True), lambda: True)
    standing = world.runs.read()
    assert standing is not None
    assert standing.run == "two"


def test_a_run_whose_first_message_comes_once_more_after_another_run_changes_nothing() -> None:
    world = company()
    one = world.run("one")
    world.zoom.pop()
    world.run("two")
    world.reconciliation.work(Reconcile(run="one"), lambda: True)
    assert world.result("one") == one
    standing = world.runs.read()
    assert standing is not None
    assert standing.run == "two"


def test_what_is_no_address_is_on_its_list_and_stops_nobodys_case() -> None:
    world = company()
    world.zoom.append(account('<script>alert("x")</script>@example.com', "Zodd"))
    world.people.append(Person('<script>alert("x")</script>@example.com', is_gone=True))
    twice(world)
    assert len(world.result("night-2")["lists"]["gone_and_alive"]) == 3
    assert [each.subject.email for each in world.said_words] == ["GONE@example.com"]


def test_a_run_that_is_lost_is_nobodys_after_half_an_hour() -> None:
    world = company()
    world.reconciliation.work(Reconcile(run="lost"), iter([True, True, False]).__next__)
    world.clock.passes(minutes=31)
    assert world.run("next")["run"] == "next"


def test_a_run_that_is_killed_at_any_step_says_the_same_in_the_end() -> None:
    expected = twice(company(here=3))
    for place in count():
        for moment in ("before", "after"):
            world = company(here=3)
            world.run("night-1")
            world.clock.passes(hours=24)
            met = world.effects.interrupt(place, moment, die)
            try:
                world.run("night-2")
            except Killed:
                # It was the process: another goes on.
                world.effects.dead.clear()
                world.run("night-2")
            if not met:
                return
            assert world.result("night-2")["counts"] == expected["counts"], (place, moment, met)
            asked = {each.event_id: each for each in world.said_words}
            assert [each.subject.email for each in asked.values()] == ["GONE@example.com"], (place, moment, met)
            assert {each.announcement_id for each in world.announced} == {"night-1/Reconciled", "night-2/Reconciled"}


def test_what_leaver_itself_keeps_of_somebody_who_left_is_found() -> None:
    world = company()
    world.connections.put(connection("zoom-gone", role="personal", owner="Gone@Example.com"))
    world.kept.found.append(FoundUserToken(UserTokenPlace("Zgone", "zoom", "zak"), frozenset(), None))
    found = world.run()["lists"]["gone_and_alive"]
    assert {row["what"] for row in found} == {"active", "grant of vcert", "connection zoom-gone", "kept zak"}


def test_an_owner_of_a_service_connection_who_left_is_announced_by_the_connection() -> None:
    world = company()
    world.connections.alter("zoom", owner="gone@example.com")
    world.run()
    assert world.announced[-1].connections_of_who_left == ["zoom"]
    assert world.gauges[-1]["ServiceOwnersGone"] == 1
    assert "gone@example.com" not in world.announced[-1].model_dump_json()


def test_a_tombstone_alone_is_nobodys_case() -> None:
    world = company()
    world.known.items.add(Name(partition="person#gone@example.com", gone_since=NOW))
    assert world.run()["counts"]["gone_and_alive"] == 2


def test_the_result_is_one_document_with_its_digest() -> None:
    world = company()
    result = world.run()
    standing = world.runs.read()
    assert standing is not None
    assert standing.digest == world.announced[-1].digest
    assert result["version"] == "leaver.reconciliation.v1"
    assert set(result["not_told"]) == {"zoom", "venafi"}


def test_words_are_what_the_intake_reads() -> None:
    world = company()
    twice(world)
    told = world.said_words[0].model_dump(mode="json", exclude_defaults=True)
    assert OffboardingRequested.model_validate(told, strict=False) == world.said_words[0]


class Asked(NoLimit):
    """Remembers what is reserved."""

    def __init__(self) -> None:
        super().__init__()
        self.demands: list[Demand] = []

    def reserve(self, wanted: Sequence[Demand | None]) -> list[Reservation]:
        self.demands += [each for each in wanted if each]
        return super().reserve(wanted)


def test_every_call_is_a_routine_one_of_its_account_and_a_limit_is_told_to_everybody() -> None:
    world, limiter = company(), Asked()
    accounts = replace(world.reconciliation.accounts, limiter_of=lambda _: limiter)
    throttled = Throttled("too fast", until=NOW)

    def refuse(_: SecretStr) -> None:
        raise throttled

    with pytest.raises(Throttled):
        accounts.ask_at("zoom/acme", lambda _: None)(refuse, calls=2)
    assert limiter.demands == [Demand("zoom", 2, urgent=False)]
    assert limiter.told == [throttled]
