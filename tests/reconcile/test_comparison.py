"""Who was forgotten is found, each of them; and nobody who is here is held."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from leaver.messages.names import name_of
from leaver.providers.listing import Holding, Person
from leaver.reconcile.comparison import STANDS, TWO_PEOPLE, UNDER_WAY, Ended, FindEnded, Held, Lists, compare
from leaver.reconcile.words import Sighting, find_due, sight, words
from tests.doubles.planted_orphans import (
    ENDED_AT,
    LOOKALIKES,
    ORPHANS,
    ZOOM,
    Orphan,
    account,
    find_ended_in,
    innocents,
    left,
)

NOW = ENDED_AT + timedelta(days=59)
ID_KEYS = {"zoom": "id", "venafi": "prefixed_universal"}


def finder(ended: dict[str, Ended]) -> FindEnded:
    def find(names: Iterable[str]) -> Ended | None:
        return next((ended[name_of(each)] for each in names if name_of(each) in ended), None)

    return find


def company(orphans: Iterable[Orphan], *, innocent: int = 200) -> Lists:
    """Everybody together, as one run sees them."""
    orphans = list(orphans)
    here = list(innocents(innocent))
    people = [each for each, _ in here] + [each for orphan in orphans for each in orphan.people]
    held = [each for _, those in here for each in those] + [each for orphan in orphans for each in orphan.held]
    also: list[str] = []
    for those, theirs, names in LOOKALIKES:
        people += those
        held += theirs
        also += names
    return compare(people, held, {}, finder(find_ended_in(orphans, also)))


@pytest.mark.parametrize("orphan", ORPHANS, ids=lambda each: each.name)
def test_somebody_who_was_forgotten_is_found_among_everybody_else(orphan: Orphan) -> None:
    lists = company([orphan])
    assert len(getattr(lists, orphan.place)) == 1 + (orphan.place == "unknown")
    others = set(vars(lists)) - {orphan.place, "gone_and_clean", "unknown"}
    assert not [row for name in others for row in getattr(lists, name)]


def test_of_all_together_each_is_found_and_nobody_who_is_here_is_held() -> None:
    lists = company(ORPHANS)
    found = {row.who for row in lists.found}
    assert len(lists.found) == sum(each.place != "unknown" for each in ORPHANS)
    sightings = {name: Sighting(ENDED_AT) for name in sight(lists, {}, NOW)}
    asked = list(words(lists, find_due(sightings, NOW), "run-1", NOW, id_keys=ID_KEYS, begins=False))
    assert len(asked) == len(found)
    assert all(each.held for each in asked)
    here = {f"p{number}@example.com" for number in range(200)} | {"jdoe@example.com", "back@example.com"}
    assert not here & {each.subject.email for each in asked}


def test_whoever_has_a_name_of_each_of_two_people_is_for_a_person_to_look_at() -> None:
    (row,) = company([]).unknown
    assert (row.email, row.because) == ("new@example.com", TWO_PEOPLE)


def test_who_left_and_has_nothing_is_the_proof_of_the_negative() -> None:
    inactive = Held(ZOOM, Holding(kind="account", email="c1@example.com", what="inactive", is_alive=False))
    lists = compare([left("c1@example.com"), left("c2@example.com")], [inactive], {}, finder({}))
    assert [each.who for each in lists.gone_and_clean] == ["c1@example.com", "c2@example.com"]
    assert "inactive" in lists.gone_and_clean[0].because


def test_an_account_that_only_stands_after_its_case_is_said_and_not_called_alive_again() -> None:
    ended = {"d@example.com": Ended("c-1", ENDED_AT, deactivated=False)}
    held = account("d@example.com", id="D", last_seen_at="2026-09-30T00:00:00Z")
    lists = compare([left("d@example.com")], [held], {}, finder(ended))
    assert not lists.found
    assert STANDS in lists.gone_and_clean[0].because


def test_where_only_the_rosters_alias_leads_to_somebody_who_was_ended_a_person_looks_and_nothing_begins() -> None:
    gone = Person("ada@example.com", aliases=("stranger@example.com",), is_gone=True)
    strangers = Held(ZOOM, Holding(kind="token", email="stranger@example.com", what="zak"))
    lists = compare([gone], [strangers], {}, finder({"ada@example.com": Ended("c-1", ENDED_AT, deactivated=True)}))
    assert lists.alive_again == []
    assert [(row.who, row.email) for row in lists.gone_and_alive] == [("ada@example.com", "stranger@example.com")]


def test_a_case_that_is_under_way_is_said_and_not_asked_for_again() -> None:
    ended = {"d@example.com": Ended("c-1", None, deactivated=False)}
    lists = compare([left("d@example.com")], [account("d@example.com")], {}, finder(ended))
    assert [(each.because, each.case) for each in lists.gone_and_alive] == [(UNDER_WAY, "c-1")]
    assert not list(words(lists, ["d@example.com"], "r", NOW, id_keys=ID_KEYS, begins=True))


def test_owners_of_service_connections_who_left_are_told_and_others_are_not() -> None:
    ended = {"two@example.com": Ended("c-2", ENDED_AT, deactivated=False)}
    owners = {
        "zoom": "One@example.com",
        "venafi": "two@example.com",
        "eu": "here@example.com",
        "x": "robot@ops.example",
    }
    lists = compare([left("one@example.com"), Person("here@example.com")], [], owners, finder(ended))
    assert {each.what for each in lists.owners_gone} == {"zoom", "venafi"}


def test_a_second_sighting_comes_half_a_day_later_and_is_said_once() -> None:
    lists = compare([left("e@example.com")], [account("e@example.com", id="E1")], {}, finder({}))
    first = sight(lists, {}, NOW)
    assert not find_due(first, NOW + timedelta(hours=11))
    second = sight(lists, first, NOW + timedelta(hours=24))
    assert find_due(second, NOW + timedelta(hours=24)) == ["e@example.com"]
    said = {name: Sighting(each.since, asked=True) for name, each in second.items()}
    assert not find_due(sight(lists, said, NOW + timedelta(hours=48)), NOW + timedelta(hours=48))
    assert not sight(Lists(), said, NOW)


def test_a_case_of_somebody_with_a_tombstone_begins_only_where_the_deployment_says_so() -> None:
    ended = {"f@example.com": Ended("c-3", ENDED_AT, deactivated=True)}
    held = [account("f@example.com", id="F1"), account("g@example.com", id="G1")]
    lists = compare([left("g@example.com")], held, {}, finder(ended))
    due = ["f@example.com", "g@example.com"]
    assert [bool(each.held) for each in words(lists, due, "r", NOW, id_keys=ID_KEYS, begins=False)] == [True, True]
    assert [bool(each.held) for each in words(lists, due, "r", NOW, id_keys=ID_KEYS, begins=True)] == [False, True]


def test_a_word_names_whom_the_provider_means_by_its_own_id() -> None:
    lists = compare([left("h@example.com")], [account("h@example.com", id="H1")], {}, finder({}))
    (word,) = words(lists, ["h@example.com"], "run", NOW, id_keys=ID_KEYS, begins=False)
    assert word.subject.identities == {"zoom": {"id": "H1"}}
    (again,) = words(lists, ["h@example.com"], "run", NOW, id_keys=ID_KEYS, begins=False)
    assert word.event_id == again.event_id
