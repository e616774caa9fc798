"""Nobody means nobody only where the search is proved: what a person would have seen at Venafi, and what is claimed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from functions.revoke_grants.app import revoke_grants
from leaver.cases.receipts import ENDED, SUCCESSES
from leaver.cases.record import DONE
from leaver.connections.access_tokens import AccessTokens
from leaver.errors import Rejected
from leaver.messages.commands import RevokeGrants, parse
from leaver.outcomes import Outcome, Result
from leaver.providers.venafi import grantees, identities, search
from leaver.providers.venafi.search import PeopleSearch
from tests.doubles.clock import Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeVenafi
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of

ADA = "local:{ada}"
#: Ada's, whose name at Venafi is not her address's
ADA_IN_AD = "AD+corp:{0ada}"
STRANGER = "AD+corp:{5tranger}"
NOBODY = "nobody@example.com"


class Company:
    """A company with a Venafi, whose robot is local; in its local provider it knows `it@`, in its directory `hr@`."""

    def __init__(self, *, robot: str = "local:{robot}", prefixes: str = "local", known: str = "it@example.com") -> None:
        self.clock = Clock()
        people = {"it@example.com": ["local:{it}"], "hr@example.com": ["AD+corp:{hr}"]}
        self.venafi = FakeVenafi(people=people, clock=self.clock)
        self.venafi.own = replace(self.venafi.own, identity=robot)
        self.table = InMemoryConnections(connection("venafi", provider="venafi"))
        self.tokens = AccessTokens(self.table, secret_store_of(StrictSecretsManager(), "venafi"), self.clock, "venafi")
        self.search = PeopleSearch(
            self.venafi, prefixes=words(prefixes), known_addresses=words(known), clock=self.clock
        )

    def hire(self, universal: str, *names: str) -> None:
        """Somebody with two grants, under a name, an address or both."""
        for name in names:
            self.venafi.people[name] = [*self.venafi.people.get(name, []), universal]
        self.venafi.grants[universal] = 2

    def revoke(self, given: str = NOBODY, *, by: str = "identity") -> Result:
        command = parse(RevokeGrants, {by: given}, direct=True)
        return revoke_grants(
            command, {}, venafi=self.venafi, tokens=self.tokens, search=self.search, age_of=lambda _: timedelta(0)
        )


def words(text: str) -> set[str]:
    return {word for word in text.split(",") if word}


# --- which identity providers the robot can search ---

UNPROVED = [
    ({"known": ""}, "VenafiKnownAddress is empty"),
    ({"prefixes": ""}, "VenafiPrefixes is empty"),
    ({"known": "left@example.com"}, "finds no address of VenafiKnownAddress in local"),
    # it only begins so
    ({"known": "it@example.co"}, "finds no address of VenafiKnownAddress in local"),
    ({"prefixes": "AD+corp,local"}, "finds no address of VenafiKnownAddress in AD+corp"),
    ({"prefixes": "AD+corp,local", "known": "it@example.com,hr@example.com"}, "VenafiKnownAddress in AD+corp"),
    ({"prefixes": "AD+corp", "known": "hr@example.com"}, "the robot's identity can not see that provider"),
    (
        {"robot": "AD+corp:{robot}", "prefixes": "AD+corp,local", "known": "hr@example.com"},
        "VenafiKnownAddress in local",
    ),
]


@pytest.mark.parametrize(("set_up", "because"), UNPROVED)
def test_a_search_that_may_not_see_everybody_proves_nothing_and_says_what_to_configure(
    set_up: dict[str, str], because: str
) -> None:
    result = Company(**set_up).revoke()
    assert result.outcome is Outcome.NOT_SEARCHABLE
    assert because in str(result.details["because"])


@pytest.mark.parametrize(
    "set_up",
    [
        {},
        {"prefixes": "LOCAL", "known": "IT@Example.com"},
        {"robot": "AD+corp:{robot}", "prefixes": "AD+corp", "known": "hr@example.com"},
        {"robot": "AD+corp:{robot}", "prefixes": "ad+CORP", "known": "gone@example.com,hr@example.com"},
    ],
)
def test_a_search_that_finds_somebody_known_in_each_provider_proves_that_nobody_is_nobody(
    set_up: dict[str, str],
) -> None:
    company = Company(**set_up)
    result = company.revoke()
    assert (result.outcome, result.details) == (
        Outcome.USER_NOT_FOUND,
        {
            "searched": "address,local_part,application",
            "prefixes": set_up.get("prefixes", "local"),
            "applications": 1,
            "grantees": 0,
        },
    )


def test_a_local_robot_does_not_end_a_case_of_somebody_whom_it_can_not_see() -> None:
    company = Company(prefixes="AD+corp,local", known="it@example.com,hr@example.com")
    company.hire(ADA_IN_AD, "ada")
    result = company.revoke("ada.king@example.com")
    assert result.outcome is Outcome.NOT_SEARCHABLE
    assert company.venafi.grants[ADA_IN_AD] == 2


def test_the_known_address_is_searched_once_with_each_token_and_not_for_each_leaver() -> None:
    company = Company()
    company.revoke("nobody")
    first = company.venafi.asked.count("browse")
    company.revoke("nobody")
    assert (first, company.venafi.asked.count("browse")) == (2, 3)
    company.search.find("nobody", version="the-next-version", access_token=SecretStr("access-1"))
    assert company.venafi.asked.count("browse") == 5


def test_a_new_token_that_sees_less_is_not_believed_for_what_the_old_one_saw() -> None:
    company = Company()
    assert company.revoke().outcome is Outcome.USER_NOT_FOUND
    company.venafi.own = replace(company.venafi.own, identity="AD+corp:{robot}")
    nobody = company.search.find(NOBODY, version="the-next-version", access_token=SecretStr("access-1"))
    assert isinstance(nobody, search.Nobody)
    assert nobody.because is not None


def test_what_is_mended_at_venafi_counts_with_the_next_leaver() -> None:
    company = Company(known="new@example.com")
    assert company.revoke().outcome is Outcome.NOT_SEARCHABLE
    company.hire("local:{new}", "new@example.com")
    assert company.revoke().outcome is Outcome.USER_NOT_FOUND


def test_not_searchable_ends_no_step_and_is_announced_as_no_success() -> None:
    assert Outcome.NOT_SEARCHABLE not in DONE | ENDED | SUCCESSES


def test_whoever_is_found_needs_no_proof() -> None:
    company = Company(known="", prefixes="")
    company.hire(ADA, "ada@example.com")
    result = company.revoke("ada@example.com")
    assert (result.outcome, result.details["found_by"], company.venafi.grants[ADA]) == ("revoked", "address", 0)


# --- an address that Venafi does not know ---


def test_an_address_may_be_a_name_in_another_provider_where_its_own_address_says_so() -> None:
    company = Company(prefixes="AD+corp,local")
    company.hire(ADA_IN_AD, "ada@example.com")
    result = company.revoke("Ada@Example.com")
    assert (result.outcome, company.venafi.grants[ADA_IN_AD]) == (Outcome.REVOKED, 0)
    assert result.details == {
        "grants_left": 0,
        "prefixed_universal": ADA_IN_AD,
        "prefixed_name": "AD+corp:ada",
        "found_by": "local_part",
        "searched": "address,local_part",
    }


def test_a_namesake_with_another_address_keeps_everything() -> None:
    company = Company(prefixes="AD+corp,local")
    company.hire(STRANGER, "ada", "ada@another-company.example")
    assert company.revoke("ada@example.com").outcome is Outcome.NOT_SEARCHABLE
    assert company.venafi.grants[STRANGER] == 2


def test_one_address_in_two_providers_is_ambiguous() -> None:
    company = Company(prefixes="AD+corp,LDAP+eu")
    for universal in (ADA_IN_AD, "LDAP+eu:{ada}"):
        company.hire(universal, "ada@example.com")
    with pytest.raises(Rejected, match=r"^ambiguous identity$"):
        company.revoke("ada@example.com")
    assert set(company.venafi.grants.values()) == {2}


def test_an_address_that_venafi_knows_as_an_alias_is_nobody_elses_proof() -> None:
    company = Company()
    company.hire(ADA, "ada", "ada.king@example.com")
    company.venafi.aliases["ada@example.com"] = ADA
    result = company.revoke("ada@example.com")
    assert (result.outcome, company.venafi.grants[ADA]) == (Outcome.NOT_SEARCHABLE, 2)
    assert "HR can give their prefixed_universal" in str(result.details["because"])


def test_a_stranger_whose_own_address_begins_so_is_no_alias() -> None:
    company = Company()
    company.hire("local:{stranger}", "ada@example.com.au")
    assert company.revoke("ada@example.com").outcome is Outcome.USER_NOT_FOUND
    assert company.venafi.grants["local:{stranger}"] == 2


# --- grants as the directory ---


@pytest.mark.parametrize("given", ["ada.king@example.com", "ADA", "ada"])
def test_somebody_whom_the_search_does_not_see_is_found_by_their_grants(given: str) -> None:
    company = Company()
    company.hire(STRANGER, "adam")
    company.hire(ADA_IN_AD, "ada", "ada.king@example.com")
    result = company.revoke(given)
    assert (result.outcome, result.details.get("found_by")) == (Outcome.REVOKED, "application")
    assert result.details["prefixed_universal"] == ADA_IN_AD
    assert company.venafi.grants == {STRANGER: 2, ADA_IN_AD: 0}


def test_two_whom_only_their_grants_name_are_ambiguous() -> None:
    company = Company()
    for universal in (ADA_IN_AD, "LDAP+eu:{ada}"):
        company.hire(universal, "ada")
    with pytest.raises(Rejected, match=r"^ambiguous identity$"):
        company.revoke("ada")
    assert set(company.venafi.grants.values()) == {2}


@pytest.mark.parametrize("spelling", [ADA_IN_AD, ADA_IN_AD.upper(), "AD+corp:0ada"])
def test_a_deleted_account_loses_its_grants_by_its_id_in_any_spelling(spelling: str) -> None:
    company = Company()
    company.hire(ADA_IN_AD)
    result = company.revoke(spelling, by="grantee_prefixed_universal")
    assert (result.outcome, company.venafi.grants[ADA_IN_AD]) == (Outcome.REVOKED, 0)
    assert (result.details["found_by"], "prefixed_name" in result.details) == ("application", False)


def test_grants_of_a_deleted_account_may_be_the_leavers_and_nobody_is_no_proof() -> None:
    company = Company()
    company.hire(ADA)
    result = company.revoke("ada@example.com")
    assert (result.outcome, result.details["grantees"]) == (Outcome.NOT_SEARCHABLE, 1)
    assert "grants of 1 deleted or unknown identities" in str(result.details["because"])


def test_the_grants_are_looked_through_for_a_while_and_that_they_were_not_all_is_said() -> None:
    company = Company()
    company.hire(STRANGER, "adam")
    company.venafi.takes = timedelta(seconds=20)
    result = company.revoke("ada")
    assert result.outcome is Outcome.NOT_SEARCHABLE
    assert result.details["because"] == "the grants of all applications could not be looked through in time"


def test_all_pages_are_read_and_a_page_that_comes_again_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grantees, "PAGE", 2)
    pages: dict[int, list[str]] = {0: ["a", "b"], 2: ["c", "d"], 4: ["e"]}
    assert list(grantees._each(pages.__getitem__, lambda: False)) == ["a", "b", "c", "d", "e"]
    assert list(grantees._each(lambda _: ["a", "b"], lambda: False)) == ["a", "b"]


def test_the_robot_is_not_cut_off_as_a_grantee() -> None:
    company = Company(robot="local:{robot}")
    company.hire("local:{robot}")
    with pytest.raises(Rejected, match="itself works as"):
        company.revoke("robot")
    assert company.venafi.grants["local:{robot}"] == 2


# --- each rule, and a test that sees it taken away ---


UNPROVED_BY = PeopleSearch._unproved
LOOK_THROUGH_GRANTS = grantees.look_through_grants

#: the test, what it is given, and the fault that is planted: where, under which name, and what stands there then
MUTATIONS: list[tuple[Callable[..., None], tuple[Any, ...], tuple[Any, str, Any]]] = [
    (
        test_a_search_that_may_not_see_everybody_proves_nothing_and_says_what_to_configure,
        UNPROVED[0],
        (PeopleSearch, "_unproved", lambda *_, **__: None),
    ),
    (
        test_a_search_that_may_not_see_everybody_proves_nothing_and_says_what_to_configure,
        UNPROVED[3],
        (search, "is_exactly", lambda *_, **__: True),
    ),
    (
        test_a_search_that_may_not_see_everybody_proves_nothing_and_says_what_to_configure,
        UNPROVED[4],
        (PeopleSearch, "_visible", lambda *_: {"local", "ad+corp"}),
    ),
    (
        test_a_local_robot_does_not_end_a_case_of_somebody_whom_it_can_not_see,
        (),
        (PeopleSearch, "_unproved", lambda *_, **__: None),
    ),
    (
        test_a_new_token_that_sees_less_is_not_believed_for_what_the_old_one_saw,
        (),
        (
            PeopleSearch,
            "_unproved",
            lambda self, value, _, token, **by: UNPROVED_BY(self, value, "any version", token, **by),
        ),
    ),
    (
        test_an_address_may_be_a_name_in_another_provider_where_its_own_address_says_so,
        (),
        (identities, "_by_local_part", lambda *_, **__: None),
    ),
    (
        test_a_namesake_with_another_address_keeps_everything,
        (),
        (identities, "is_exactly", lambda *_, **__: True),
    ),
    (
        test_an_address_that_venafi_knows_as_an_alias_is_nobody_elses_proof,
        (),
        (search, "may_be_an_alias", lambda *_, **__: False),
    ),
    (
        test_one_address_in_two_providers_is_ambiguous,
        (),
        (identities, "only_one", lambda found: next(iter(found), None)),
    ),
    (
        test_somebody_whom_the_search_does_not_see_is_found_by_their_grants,
        ("ada",),
        (search, "look_through_grants", lambda *_, **__: grantees.LookedThrough(None, 0, 0, None)),
    ),
    (
        test_somebody_whom_the_search_does_not_see_is_found_by_their_grants,
        ("ada",),
        (grantees, "is_exactly", lambda *_, **__: True),
    ),
    (
        test_a_deleted_account_loses_its_grants_by_its_id_in_any_spelling,
        (ADA_IN_AD.upper(),),
        (grantees, "same_identity", lambda one, other: one == other),
    ),
    (
        test_grants_of_a_deleted_account_may_be_the_leavers_and_nobody_is_no_proof,
        (),
        (search, "look_through_grants", lambda *of, **by: replace(LOOK_THROUGH_GRANTS(*of, **by), because=None)),
    ),
    (
        test_the_grants_are_looked_through_for_a_while_and_that_they_were_not_all_is_said,
        (),
        (search, "TIME_FOR_GRANTS", timedelta(days=1)),
    ),
    (
        test_two_whom_only_their_grants_name_are_ambiguous,
        (),
        (grantees, "only_one", lambda found: next(iter(found), None)),
    ),
]


@pytest.mark.parametrize(("holds", "given", "fault"), MUTATIONS, ids=[f"{row[0].__name__}" for row in MUTATIONS])
def test_that_test_sees_it_where_the_rule_is_taken_away(
    holds: Callable[..., None], given: tuple[Any, ...], fault: tuple[Any, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(*given)
    monkeypatch.setattr(*fault)
    with pytest.raises((AssertionError, Rejected, pytest.fail.Exception)):
        holds(*given)
