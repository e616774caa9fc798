"""Revoking Venafi grants: for whom, and only claimed when none is left."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.revoke_grants.app import NOBODY_ADDED, NOT_PROVED, TWO_ARE_NAMED, UNDER_THE_ADDRESS, revoke_grants
from leaver.cases.receipts import Progress
from leaver.connections.access_tokens import AccessTokens
from leaver.errors import BadMessage, CredentialStale, ProviderUnavailable, Rejected
from leaver.messages.commands import RevokeGrants, parse
from leaver.outcomes import Outcome, Result
from leaver.providers.venafi import identities
from leaver.providers.venafi.api import Identity, Venafi
from leaver.providers.venafi.identities import Found
from leaver.providers.venafi.search import PeopleSearch
from tests.doubles.calls_in_a_row import CallsInARow
from tests.doubles.clock import Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeVenafi, proved_search
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of

JOHN = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"
JANE = "AD+corp:{11111111-2d77-43af-8f1f-39f1ba132825}"
CONFIRMED = {"confirm": "every user of this application"}


@pytest.fixture
def venafi() -> FakeVenafi:
    return FakeVenafi(
        grants={JOHN: 3, JANE: 1, "vault": 17},
        people={"john.doe@example.com": [JOHN], "smith": [JOHN, "local:{another-smith}"], "jane": [JANE]},
    )


def revoke(venafi: Venafi, search: PeopleSearch | None = None, /, **target: Any) -> Result:
    progress: Progress = {}
    access_tokens = AccessTokens(
        InMemoryConnections(connection("venafi", provider="venafi")),
        secret_store_of(StrictSecretsManager(), "venafi"),
        Clock(),
        "venafi",
    )
    if search is None:
        assert isinstance(venafi, FakeVenafi)
        search = proved_search(venafi, Clock())
    command = parse(RevokeGrants, target, direct=True)
    return revoke_grants(
        command, progress, venafi=venafi, tokens=access_tokens, search=search, age_of=lambda _: timedelta(0)
    )


def is_not_found(result: Result, *, searched: str) -> None:
    """Nobody was found, and that is proved."""
    assert (result.outcome, result.details["searched"]) == (Outcome.USER_NOT_FOUND, searched)
    assert "because" not in result.details


@pytest.mark.parametrize(
    ("target", "found_by"),
    [
        ({"grantee_prefixed_universal": JOHN}, "prefixed_universal"),
        ({"identity": "john.doe@example.com"}, "address"),
    ],
)
def test_all_grants_of_one_identity_are_revoked_and_counted_to_none(
    venafi: FakeVenafi, target: dict[str, str], found_by: str
) -> None:
    result = revoke(venafi, **target)
    assert (result.outcome, result.response.status) == (Outcome.REVOKED, 200)
    assert result.details == {
        "grants_left": 0,
        "prefixed_universal": JOHN,
        "prefixed_name": "local:smith",
        "found_by": found_by,
        "searched": found_by,
    }
    assert venafi.grants == {JOHN: 0, JANE: 1, "vault": 17}
    assert venafi.asked[-1] == "remaining_grants"


def test_an_identity_without_grants_is_already_gone(venafi: FakeVenafi) -> None:
    venafi.grants[JOHN] = 0
    assert revoke(venafi, grantee_prefixed_universal=JOHN).outcome is Outcome.ALREADY_GONE


@pytest.mark.parametrize("had", [0, 3])
def test_grants_that_are_left_after_a_success_are_no_success(venafi: FakeVenafi, had: int) -> None:
    venafi.grants[JOHN], venafi.clings_to = had, 1
    with pytest.raises(ProviderUnavailable, match="still counts grants"):
        revoke(venafi, grantee_prefixed_universal=JOHN)
    venafi.clings_to = 0
    assert revoke(venafi, grantee_prefixed_universal=JOHN).outcome is Outcome.REVOKED


def test_a_name_that_may_mean_two_is_ambiguous_and_nobody_loses_anything(venafi: FakeVenafi) -> None:
    with pytest.raises(Rejected, match=r"^ambiguous identity$"):
        revoke(venafi, identity="smith")
    assert venafi.grants == {JOHN: 3, JANE: 1, "vault": 17}


def test_a_name_that_nobody_has_is_user_not_found(venafi: FakeVenafi) -> None:
    del venafi.grants[JANE]
    is_not_found(revoke(venafi, identity="nobody@example.com"), searched="address,local_part,application")
    is_not_found(revoke(venafi, identity="nobody"), searched="name,application")
    assert "revoke_grants" not in venafi.asked


# --- the wrong person ---

STRANGER = "local:{22222222-2d77-43af-8f1f-39f1ba132825}"
SIMILAR = pytest.mark.parametrize(
    ("searched", "strangers"),
    [("jdoe", "jdoe2"), ("jo.smith@example.com", "jo.smith@example.com.au")],
    ids=["a name", "an address"],
)


@SIMILAR
def test_a_stranger_with_a_similar_name_keeps_everything(venafi: FakeVenafi, searched: str, strangers: str) -> None:
    venafi.people[strangers], venafi.grants[STRANGER] = [STRANGER], 2
    assert revoke(venafi, identity=searched).outcome is Outcome.USER_NOT_FOUND
    assert venafi.grants[STRANGER] == 2
    assert "revoke_grants" not in venafi.asked


@SIMILAR
def test_that_test_sees_it_where_the_first_hit_wins(
    venafi: FakeVenafi, searched: str, strangers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "is_exactly", lambda *_, **__: True)
    with pytest.raises(AssertionError):
        test_a_stranger_with_a_similar_name_keeps_everything(venafi, searched, strangers)
    assert venafi.grants[STRANGER] == 0


@pytest.mark.parametrize(
    "spelling",
    [JOHN.upper(), JOHN.translate(str.maketrans("", "", "{}")), JOHN.translate(str.maketrans("", "", "{}-"))],
)
def test_an_id_that_is_spelt_otherwise_ends_that_persons_grants(venafi: FakeVenafi, spelling: str) -> None:
    result = revoke(venafi, grantee_prefixed_universal=spelling)
    assert (result.outcome, result.details["prefixed_universal"]) == (Outcome.REVOKED, JOHN)
    assert venafi.grants == {JOHN: 0, JANE: 1, "vault": 17}


@pytest.mark.parametrize("nobody", ["local:{nobody}", "LOCAL:{NOBODY}", "local:nobody", "local:smithson"])
def test_an_id_that_nobody_has_is_user_not_found_and_never_already_gone(venafi: FakeVenafi, nobody: str) -> None:
    searched = "prefixed_universal,name,application"
    is_not_found(revoke(venafi, grantee_prefixed_universal=nobody), searched=searched)
    assert "revoke_grants" not in venafi.asked


def test_that_test_sees_it_where_an_id_is_taken_as_it_was_given(
    venafi: FakeVenafi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believed(value: str, **_: Any) -> Found:
        return Found(Identity(value, value, value, is_user=True), "prefixed_universal")

    monkeypatch.setattr(identities, "_by_prefixed", believed)
    with pytest.raises(AssertionError):
        test_an_id_that_nobody_has_is_user_not_found_and_never_already_gone(venafi, "LOCAL:{NOBODY}")


def an_id_that_nobody_has_beside_somebodys_address(venafi: FakeVenafi) -> None:
    result = revoke(venafi, grantee_prefixed_universal="local:{nobody}", email="john.doe@example.com")
    assert (result.outcome, result.details.get("because")) == (Outcome.NOT_SEARCHABLE, UNDER_THE_ADDRESS)
    # Whoever has the address now may be somebody new.
    assert venafi.grants[JOHN] == 3


def test_an_id_that_nobody_has_ends_nothing_while_somebody_has_the_address_and_grants(venafi: FakeVenafi) -> None:
    an_id_that_nobody_has_beside_somebodys_address(venafi)
    venafi.grants[JOHN] = 0
    told = {"grantee_prefixed_universal": "local:{nobody}", "email": "john.doe@example.com"}
    is_not_found(revoke(venafi, **told), searched="prefixed_universal,name,application")


def test_that_test_sees_it_where_hrs_word_alone_counts(venafi: FakeVenafi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeVenafi, "remaining_grants", lambda *_: 0)
    with pytest.raises(AssertionError):
        an_id_that_nobody_has_beside_somebodys_address(venafi)


def test_an_address_that_nobody_has_either_proves_that_there_is_nobody(venafi: FakeVenafi) -> None:
    told = {"grantee_prefixed_universal": "local:{nobody}", "email": "nobody@example.com"}
    is_not_found(revoke(venafi, **told), searched="prefixed_universal,name,application")


def test_an_address_beside_a_whole_application_is_refused(venafi: FakeVenafi) -> None:
    with pytest.raises(BadMessage, match="email: expected only with an identity"):
        revoke(venafi, application_id="vault", email="john.doe@example.com", **CONFIRMED)


# --- two identities ---

ANNE = "local:{33333333-2d77-43af-8f1f-39f1ba132825}"
TWO: dict[str, Any] = {"grantee_prefixed_universal": ANNE, "email": "john.doe@example.com"}


@pytest.fixture
def both(venafi: FakeVenafi) -> FakeVenafi:
    """HR's name is Anne's, and HR's address is John's."""
    venafi.people["anne@example.com"], venafi.grants[ANNE] = [ANNE], 2
    return venafi


def told_of_both(result: Result) -> bool:
    return result.outcome is Outcome.NOT_SEARCHABLE and TWO_ARE_NAMED.format(ANNE, JOHN) == result.details["because"]


@pytest.mark.parametrize(("annes", "johns"), [(2, 3), (2, 0), (0, 3)])
def test_where_hrs_name_and_address_are_of_two_nobody_loses_anything(both: FakeVenafi, annes: int, johns: int) -> None:
    both.grants |= {ANNE: annes, JOHN: johns}
    assert told_of_both(revoke(both, **TWO))
    assert (both.grants[ANNE], both.grants[JOHN]) == (annes, johns)


def test_where_nothing_lives_under_either_there_was_nothing_to_revoke(both: FakeVenafi) -> None:
    both.grants |= {ANNE: 0, JOHN: 0}
    assert revoke(both, **TWO).outcome is Outcome.ALREADY_GONE


@pytest.mark.parametrize("johns", [3, 0])
def test_whom_venafi_had_found_before_loses_everything_and_whoever_has_the_address_keeps_it(
    both: FakeVenafi, johns: int
) -> None:
    both.grants[JOHN] = johns
    result = revoke(both, **TWO, case_id="case-1", found_by="address")
    assert told_of_both(result) if johns else result.outcome is Outcome.REVOKED
    assert (both.grants[ANNE], both.grants[JOHN]) == (0, johns)


# --- a name that a later event adds

ADDED: dict[str, Any] = {**TWO, "case_id": "case-1", "account": "acme", "alias": 2}


@pytest.mark.parametrize(("annes", "johns"), [(2, 3), (2, 0), (0, 3), (0, 0)])
def test_a_later_name_that_is_anothers_than_the_address_ends_nothing_and_the_step_stays_open(
    both: FakeVenafi, annes: int, johns: int
) -> None:
    both.grants |= {ANNE: annes, JOHN: johns}
    result = revoke(both, **ADDED)
    assert (result.outcome, result.details["because"]) == (Outcome.NOT_SEARCHABLE, NOT_PROVED.format(ANNE))
    assert (both.grants[ANNE], both.grants[JOHN]) == (annes, johns)


def test_nor_does_one_with_another_address_where_nobody_has_hrs(both: FakeVenafi) -> None:
    result = revoke(both, **{**ADDED, "email": "nobody@example.com"})
    assert (result.outcome, both.grants[ANNE]) == (Outcome.NOT_SEARCHABLE, 2)


def test_a_later_name_without_an_address_is_the_leaver_where_nobody_has_hrs_address(both: FakeVenafi) -> None:
    both.people["anne"] = both.people.pop("anne@example.com")
    result = revoke(both, **{**ADDED, "email": "nobody@example.com"})
    assert (result.outcome, both.grants[ANNE]) == (Outcome.REVOKED, 0)


def test_a_later_name_that_has_hrs_address_is_the_leaver(both: FakeVenafi) -> None:
    both.people["John.Doe@example.com"] = [ANNE]
    both.grants[JOHN] = 0
    result = revoke(both, **ADDED)
    assert (result.outcome, result.details["prefixed_universal"], both.grants[ANNE]) == (Outcome.REVOKED, ANNE, 0)


def test_a_later_name_that_nobody_has_is_told_with_what_to_do(venafi: FakeVenafi) -> None:
    venafi.grants[JOHN] = 0
    result = revoke(venafi, **{**ADDED, "grantee_prefixed_universal": "local:{nobody}"})
    assert (result.outcome, result.details["because"]) == (Outcome.USER_NOT_FOUND, NOBODY_ADDED)


def test_both_names_of_one_person_are_no_two(both: FakeVenafi) -> None:
    both.people["john.doe@example.com"] = [ANNE]
    assert revoke(both, **TWO).outcome is Outcome.REVOKED


def test_a_group_that_has_the_address_as_well_is_nobody(both: FakeVenafi) -> None:
    both.people["john.doe@example.com"] = [ANNE, "local:{staff}"]
    both.groups.add("local:{staff}")
    assert revoke(both, **TWO).outcome is Outcome.REVOKED


def test_an_id_of_a_provider_that_nobody_named_is_no_proof(venafi: FakeVenafi) -> None:
    assert revoke(venafi, grantee_prefixed_universal="AD+corp:smith").outcome is Outcome.NOT_SEARCHABLE


@pytest.mark.parametrize(
    ("given", "found_by"), [("john.doe@example.com", "address"), ("local:john.doe", "name"), ("john.doe", "name")]
)
def test_an_address_or_a_name_in_place_of_an_id_is_looked_up(venafi: FakeVenafi, given: str, found_by: str) -> None:
    venafi.people = {"john.doe@example.com": [JOHN], "jane": [JANE]}
    result = revoke(venafi, grantee_prefixed_universal=given)
    assert (result.outcome, result.details.get("found_by")) == (Outcome.REVOKED, found_by)
    assert (result.details["prefixed_universal"], venafi.grants[JOHN]) == (JOHN, 0)


def test_that_test_sees_it_where_an_address_is_taken_for_an_id(
    venafi: FakeVenafi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "is_prefixed", lambda _: True)
    with pytest.raises(AssertionError):
        test_an_address_or_a_name_in_place_of_an_id_is_looked_up(venafi, "john.doe@example.com", "address")


@pytest.mark.parametrize(
    "target", [{"grantee_prefixed_universal": JOHN}, {"identity": JOHN}, {"identity": "john.doe@example.com"}]
)
def test_a_group_is_refused_and_keeps_its_grants(venafi: FakeVenafi, target: dict[str, str]) -> None:
    venafi.groups.add(JOHN)
    with pytest.raises(Rejected, match="no person"):
        revoke(venafi, **target)
    assert venafi.grants[JOHN] == 3


@pytest.mark.parametrize("name", ["AD+corp:jane", "ad+corp:JANE"])
def test_a_name_with_its_prefix_is_found_in_every_provider_and_any_letter_case(venafi: FakeVenafi, name: str) -> None:
    result = revoke(venafi, identity=name)
    assert (result.outcome, result.details["prefixed_universal"]) == (Outcome.REVOKED, JANE)


def test_an_address_of_a_directory_is_proved_by_the_directorys_own_attribute(venafi: FakeVenafi) -> None:
    venafi.own = replace(venafi.own, identity="AD+corp:{robot}")
    venafi.people["jane@example.com"] = [JANE]
    assert revoke(venafi, identity="Jane@Example.com").details["prefixed_universal"] == JANE
    assert venafi.asked.count("read_attribute") == 2


def test_all_users_of_an_application_lose_their_grants(venafi: FakeVenafi) -> None:
    assert revoke(venafi, application_id="vault", **CONFIRMED).outcome is Outcome.REVOKED
    assert venafi.grants == {JOHN: 3, JANE: 1, "vault": 0}


@pytest.mark.parametrize(
    "own",
    [
        "local:{7B9E4C1A-0000-4000-8000-0000000000AA}",
        "local:{7b9e4c1a-0000-4000-8000-0000000000aa}",
        "local:7b9e4c1a000040008000-0000000000aa",
    ],
)
def test_leaver_does_not_revoke_the_identity_it_works_as(venafi: FakeVenafi, own: str) -> None:
    with pytest.raises(Rejected, match=r"^this is the identity that Leaver itself works as$"):
        revoke(venafi, grantee_prefixed_universal=own)
    assert "revoke_grants" not in venafi.asked


def test_leaver_does_not_revoke_the_identity_it_works_as_under_another_name(venafi: FakeVenafi) -> None:
    venafi.people["robot"] = ["local:{7B9E4C1A-0000-4000-8000-0000000000AA}"]
    with pytest.raises(Rejected, match="itself works as"):
        revoke(venafi, identity="robot")


@pytest.mark.parametrize("own", ["Leaver", "LEAVER"])
def test_leaver_does_not_revoke_the_application_it_works_through(venafi: FakeVenafi, own: str) -> None:
    with pytest.raises(Rejected, match=r"^this is the application that Leaver itself works through$"):
        revoke(venafi, application_id=own, **CONFIRMED)
    assert "revoke_grants" not in venafi.asked


def test_an_application_named_like_the_robots_identity_is_another_thing(venafi: FakeVenafi) -> None:
    revoke(venafi, application_id=venafi.own.identity, **CONFIRMED)
    assert "revoke_grants" in venafi.asked


def test_a_refused_token_is_stale(venafi: FakeVenafi) -> None:
    venafi.accepts = set()
    with pytest.raises(CredentialStale):
        revoke(venafi, grantee_prefixed_universal=JOHN)


# --- calls that do not wait for each other

DONE = {"Success": True, "Result": 0}
ANN = {"PrefixedUniversal": JOHN, "PrefixedName": "local:john", "Name": "john", "Type": 1}
ANSWERS: dict[str, dict[str, Any]] = {
    "Browse": {"Identities": [ANN]},
    "ReadAttribute": {"Attributes": ["john.doe@example.com"]},
    "verify": {"identity": JANE, "application": "leaver"},
    "RevokeGrants": DONE,
    "GetGrants": {**DONE, "Grants": []},
}
LEFT = ("GetGrants", "GetGrants")


def test_four_calls_in_a_row_end_the_grants_of_a_leaver_and_none_is_asked_twice_for_whom_the_token_speaks() -> None:
    host = CallsInARow(ANSWERS)
    venafi = Venafi(host, Clock())
    search = PeopleSearch(venafi, prefixes=["local"], known_addresses=[], clock=Clock())
    # Of the first leaver of a token, Venafi answers neither of these two before the other has come.
    host.count(("verify", "Browse"), LEFT)
    assert revoke(venafi, search, identity="john.doe@example.com").outcome is Outcome.REVOKED
    assert sorted(host.calls) == ["Browse", *LEFT, "ReadAttribute", "RevokeGrants", "verify"]
    assert host.in_a_row == 4
    host.count(LEFT)
    assert revoke(venafi, search, identity="john.doe@example.com").outcome is Outcome.REVOKED
    assert sorted(host.calls) == ["Browse", *LEFT, "ReadAttribute", "RevokeGrants"]
    assert host.in_a_row == 4


def test_nobody_is_found_although_it_can_not_be_told_for_whom_the_token_speaks(
    venafi: FakeVenafi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ProviderUnavailable("Venafi is out of order")

    monkeypatch.setattr(venafi, "verify", fail)
    del venafi.grants[JANE]
    assert revoke(venafi, identity="nobody@example.com").outcome is Outcome.USER_NOT_FOUND
    with pytest.raises(ProviderUnavailable):
        revoke(venafi, identity="john.doe@example.com")
    assert "revoke_grants" not in venafi.asked
