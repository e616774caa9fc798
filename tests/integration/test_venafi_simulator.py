"""Venafi's Web SDK, as the simulator plays it over real HTTP."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from local.simulators.control import RemoteSimulator
from local.simulators.venafi import VenafiSimulator
from local.simulators.venafi_state import Role
from tests.integration.simulated_venafi import ADA, BOB, ROBOT, get, post, refresh, refused, revoke_grants, seen, set_up

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def venafi() -> Iterator[VenafiSimulator]:
    with VenafiSimulator(clock=lambda: NOON) as simulator:
        set_up(simulator)
        yield simulator


@pytest.fixture
def tokens(venafi: VenafiSimulator) -> dict[str, object]:
    return venafi.authorize("leaver", ROBOT)


@pytest.fixture
def token(tokens: dict[str, object]) -> str:
    return str(tokens["access_token"])


def test_revoking_an_identitys_grants_ends_all_of_them_and_no_others(venafi: VenafiSimulator, token: str) -> None:
    assert seen(revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA})) == (
        200,
        {"Result": 0, "Success": True},
    )
    assert venafi.live_grants(ADA) == 0
    assert venafi.live_grants(BOB) == 1
    assert venafi.live_grants(ROBOT) == 1


def test_nothing_to_revoke_is_a_failure_with_status_200(venafi: VenafiSimulator, token: str) -> None:
    for grantee in ("local:{nobody}", ADA.upper()):
        status, body = seen(revoke_grants(venafi, token, {"GranteePrefixedUniversal": grantee}))
        assert (status, body["Result"], body["Success"]) == (200, 3, False)
    assert venafi.live_grants(ADA) == 2


def test_nothing_to_revoke_may_be_a_success_too() -> None:
    with VenafiSimulator(result_for_no_grants=0) as venafi:
        venafi.add_application("leaver", scope="admin:delete")
        venafi.add_identity(ROBOT, "robot", role=Role.ADMIN)
        token = str(venafi.authorize("leaver", ROBOT)["access_token"])
        assert seen(revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA})) == (
            200,
            {"Result": 0, "Success": True},
        )


def test_an_application_alone_revokes_every_users_grants(venafi: VenafiSimulator, token: str) -> None:
    assert revoke_grants(venafi, token, {"ApplicationId": "vcert"}).json() == {"Result": 0, "Success": True}
    assert venafi.live_grants(application_id="vcert") == 0


def test_a_misspelt_parameter_is_ignored_and_everybody_loses_their_grants(venafi: VenafiSimulator, token: str) -> None:
    revoke_grants(venafi, token, {"granteePrefixedUniversal": ADA, "ApplicationId": "vcert"})
    assert venafi.live_grants(BOB) == 0


def test_both_parameters_revoke_what_either_names(venafi: VenafiSimulator, token: str) -> None:
    venafi.authorize("leaver", ADA, "configuration")
    revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA, "ApplicationId": "vcert"})
    assert [venafi.live_grants(identity) for identity in (ADA, BOB, ROBOT)] == [0, 0, 1]


def test_no_parameter_that_is_known_is_an_invalid_request(venafi: VenafiSimulator, token: str) -> None:
    bodies: list[object] = [{}, {"granteeprefixeduniversal": ADA}, {"GranteePrefixedUniversal": 7}, []]
    for body in bodies:
        assert refused(revoke_grants(venafi, token, body)) == (400, "invalid_request")
    assert venafi.live_grants() == 4


def test_an_unknown_application_is_result_2(venafi: VenafiSimulator, token: str) -> None:
    body = revoke_grants(venafi, token, {"ApplicationId": "VCert"}).json()
    assert (body["Result"], body["Success"]) == (2, False)


def test_method_names_are_known_in_any_letter_case(venafi: VenafiSimulator, token: str) -> None:
    assert post(venafi, "VEDSDK/OAuth/revokegrants", {"GranteePrefixedUniversal": ADA}, token).json()["Success"]
    assert venafi.live_grants(ADA) == 0


def test_without_a_token_that_works_nothing_is_done(venafi: VenafiSimulator, token: str) -> None:
    assert refused(revoke_grants(venafi, "", {"GranteePrefixedUniversal": ADA})) == (401, "invalid_token")
    assert refused(revoke_grants(venafi, "made-up", {"GranteePrefixedUniversal": ADA})) == (401, "invalid_token")
    venafi.advance(90 * 24 * 3600)
    assert refused(revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA})) == (401, "invalid_token")


@pytest.mark.parametrize("scope", ["configuration", "admin", "admin:recyclebin"])
def test_without_the_scope_nothing_is_done(venafi: VenafiSimulator, scope: str) -> None:
    token = str(venafi.authorize("leaver", ROBOT, scope)["access_token"])
    assert refused(revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA})) == (403, "insufficient_scope")
    assert venafi.live_grants(ADA) == 2


def test_a_platform_that_asks_for_plain_admin_can_be_played() -> None:
    with VenafiSimulator(revoke_grants_scope="admin") as venafi:
        venafi.add_application("leaver", scope="admin")
        venafi.add_identity(ROBOT, "robot", role=Role.GRANT_ADMIN)
        token = str(venafi.authorize("leaver", ROBOT)["access_token"])
        assert revoke_grants(venafi, token, {"GranteePrefixedUniversal": ROBOT}).json()["Success"]


def test_a_mere_user_may_revoke_only_their_own_grants(venafi: VenafiSimulator) -> None:
    token = str(venafi.authorize("leaver", ADA)["access_token"])
    assert refused(revoke_grants(venafi, token, {"GranteePrefixedUniversal": BOB})) == (401, "insufficient_rights")
    assert refused(revoke_grants(venafi, token, {"ApplicationId": "vcert"})) == (401, "insufficient_rights")
    both = {"GranteePrefixedUniversal": ADA, "ApplicationId": "vcert"}
    assert refused(revoke_grants(venafi, token, both)) == (401, "insufficient_rights")
    assert revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA}).json()["Success"]
    assert venafi.live_grants(BOB) == 1


def test_an_owner_may_revoke_the_grants_of_their_application(venafi: VenafiSimulator) -> None:
    token = str(venafi.authorize("leaver", BOB)["access_token"])
    assert refused(revoke_grants(venafi, token, {"ApplicationId": "leaver"})) == (401, "insufficient_rights")
    assert revoke_grants(venafi, token, {"ApplicationId": "vcert"}).json()["Success"]


def test_revoking_the_robots_own_grants_ends_the_robots_own_token(venafi: VenafiSimulator, token: str) -> None:
    revoke_grants(venafi, token, {"GranteePrefixedUniversal": ROBOT})
    assert refused(revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA})) == (401, "invalid_token")


def test_grants_are_told_in_pages_and_their_records_hold_a_refresh_token(venafi: VenafiSimulator, token: str) -> None:
    body = {"GranteePrefixedUniversal": ADA, "Start": 1, "Count": 5}
    answer = post(venafi, "vedsdk/oauth/GetGrants", body, token).json()
    assert (answer["Result"], answer["Success"]) == (0, True)
    (record,) = answer["Grants"]
    assert (record["GranteePrefixedUniversal"], record["Application"]) == (ADA, "vcert")
    assert record["RefreshToken"].startswith("leaver-canary-")
    one = post(venafi, "vedsdk/oauth/GetGrants", {"GranteePrefixedUniversal": ADA, "Count": 1}, token).json()
    assert len(one["Grants"]) == 1
    other = {"GranteePrefixedUniversal": ADA, "ApplicationId": "leaver"}
    assert post(venafi, "vedsdk/oauth/GetGrants", other, token).json()["Grants"] == []


def test_an_applications_grants_are_told_in_pages(venafi: VenafiSimulator, token: str) -> None:
    answer = post(venafi, "vedsdk/oauth/EnumerateGrants", {"ApplicationId": "vcert", "Count": 2}, token).json()
    assert [record["GranteePrefixedUniversal"] for record in answer["Grants"]] == [ADA, ADA]
    backwards = {"ApplicationId": "vcert", "Count": 2, "Descending": True}
    answer = post(venafi, "vedsdk/oauth/EnumerateGrants", backwards, token).json()
    assert [record["GranteePrefixedUniversal"] for record in answer["Grants"]] == [BOB, ADA]


def test_the_applications_are_told_in_pages_and_an_owner_is_told_of_their_own(
    venafi: VenafiSimulator, token: str
) -> None:
    def listed(token: str, **page: int) -> list[str]:
        answer = post(venafi, "vedsdk/oauth/EnumerateApplications", page, token).json()
        return [each["ApplicationId"] for each in answer["Applications"]]

    assert listed(token, Start=0, Count=9) == ["leaver", "vcert"]
    assert listed(token, Start=1, Count=9) == ["vcert"]
    assert listed(str(venafi.authorize("leaver", BOB)["access_token"]), Start=0, Count=9) == ["vcert"]
    assert refused(post(venafi, "vedsdk/oauth/EnumerateApplications", {}, token)) == (400, "invalid_request")


def test_a_deleted_identity_is_found_by_nobody_and_its_grants_live_on(venafi: VenafiSimulator, token: str) -> None:
    venafi.delete_identity(BOB)
    nobody = post(venafi, "vedsdk/Identity/Validate", {"ID": {"PrefixedUniversal": BOB}}, token)
    assert (nobody.status_code, nobody.text) == (200, "")
    assert venafi.live_grants(BOB) == 1


def test_grants_are_told_only_to_who_may_know(venafi: VenafiSimulator, token: str) -> None:
    plain = str(venafi.authorize("leaver", ROBOT, "configuration")["access_token"])
    user = str(venafi.authorize("leaver", ADA)["access_token"])
    ask = {"GranteePrefixedUniversal": BOB}
    assert refused(post(venafi, "vedsdk/oauth/GetGrants", ask, plain)) == (403, "insufficient_scope")
    assert refused(post(venafi, "vedsdk/oauth/GetGrants", ask, user)) == (401, "insufficient_rights")
    assert refused(post(venafi, "vedsdk/oauth/GetGrants", {}, token)) == (400, "invalid_request")
    assert refused(post(venafi, "vedsdk/oauth/EnumerateGrants", ask, token)) == (400, "invalid_request")


def test_the_role_is_told_to_any_token(venafi: VenafiSimulator, token: str) -> None:
    plain = str(venafi.authorize("vcert", BOB)["access_token"])
    assert post(venafi, "vedsdk/oauth/GetRole", {}, token).json()["Role"]["Role"] == 5
    role = post(venafi, "vedsdk/oauth/GetRole", {}, plain).json()["Role"]
    assert (role["Role"], role["OwnedApplications"]) == (0, [{"ApplicationId": "vcert", "Role": 3}])


@pytest.mark.parametrize("result", [1, 9, 23, 99])
def test_any_result_code_can_be_played(venafi: VenafiSimulator, token: str, result: int) -> None:
    venafi.answer_result(result)
    assert seen(revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA})) == (
        200,
        {"Result": result, "Success": False},
    )
    assert venafi.live_grants(ADA) == 2
    assert revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA}).json()["Success"]


def test_a_lie_answers_result_0_and_the_grants_live(venafi: VenafiSimulator, token: str) -> None:
    venafi.inject("/vedsdk/oauth/RevokeGrants", handling="pretend", times=None)
    assert revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA}).json() == {"Result": 0, "Success": True}
    assert venafi.live_grants(ADA) == 2


def test_an_answer_that_was_lost_was_committed(venafi: VenafiSimulator, token: str) -> None:
    venafi.inject("/vedsdk/oauth/RevokeGrants", reply="reset")
    with pytest.raises(requests.ConnectionError):
        revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA})
    assert venafi.live_grants(ADA) == 0


# -- vedsdk/identity


@pytest.mark.parametrize(
    ("searched", "found"),
    [("ada", [ADA]), ("ADA@example", [ADA]), ("love", []), ("bob", []), ("nobody", []), ("r*", [ROBOT])],
)
def test_browsing_finds_by_the_beginning_of_a_name_in_the_callers_own_provider(
    venafi: VenafiSimulator, token: str, searched: str, found: list[str]
) -> None:
    body = {"Filter": searched, "Limit": 2, "IdentityType": 1}
    answer = post(venafi, "vedsdk/Identity/Browse", body, token).json()
    assert [identity["PrefixedUniversal"] for identity in answer["Identities"]] == found


@pytest.mark.parametrize(
    ("searched", "found"),
    [("bob", [BOB]), ("bob@example", [BOB]), ("ada", [ADA]), ("ada@example", []), ("", [BOB, ROBOT])],
)
def test_a_directorys_robot_finds_its_own_by_address_and_local_users_by_name_alone(
    venafi: VenafiSimulator, searched: str, found: list[str]
) -> None:
    venafi.add_identity(BOB, "bob", full_name="Bob Adams", email="bob@example.com")
    token = str(venafi.authorize("leaver", BOB)["access_token"])
    body = {"Filter": searched, "Limit": 1, "IdentityType": 1}
    answer = post(venafi, "vedsdk/Identity/Browse", body, token).json()
    assert [identity["PrefixedUniversal"] for identity in answer["Identities"]] == found


def test_browsing_is_limited_and_by_type(venafi: VenafiSimulator, token: str) -> None:
    venafi.add_identity("local:{ada-2}", "adam")
    venafi.add_identity("local:{ada-3}", "adams", type=2)
    body = {"Filter": "ada", "Limit": 1, "IdentityType": 1}
    assert len(post(venafi, "vedsdk/Identity/Browse", body, token).json()["Identities"]) == 1
    body = {"Filter": "ada", "Limit": 9, "IdentityType": 3}
    answer = post(venafi, "vedsdk/Identity/Browse", body, token).json()
    assert [identity["IsGroup"] for identity in answer["Identities"]] == [False, False, True]


def test_validating_finds_one_identity_in_any_provider_or_nothing(venafi: VenafiSimulator, token: str) -> None:
    for wanted in ({"PrefixedUniversal": BOB}, {"PrefixedName": "AD+corp:bob"}):
        answer = post(venafi, "vedsdk/Identity/Validate", {"ID": wanted}, token).json()
        assert answer["ID"]["PrefixedUniversal"] == BOB
        assert answer["ID"]["PrefixedName"] == "AD+corp:bob"
    for wanted in ({"PrefixedUniversal": "AD+corp:{bob}"}, {"PrefixedName": "local:bob"}, {}):
        nobody = post(venafi, "vedsdk/Identity/Validate", {"ID": wanted}, token)
        assert (nobody.status_code, nobody.text) == (200, "")


@pytest.mark.parametrize(
    "wanted",
    [
        {"PrefixedUniversal": BOB.lower()},
        {"PrefixedUniversal": BOB.upper()},
        {"PrefixedUniversal": BOB.translate(str.maketrans("", "", "{}-"))},
        {"PrefixedName": "ad+corp:Bob"},
    ],
)
def test_validating_answers_in_its_own_spelling_and_grants_are_known_by_that_alone(
    venafi: VenafiSimulator, token: str, wanted: dict[str, str]
) -> None:
    answer = post(venafi, "vedsdk/Identity/Validate", {"ID": wanted}, token).json()
    assert (answer["ID"]["PrefixedUniversal"], answer["ID"]["PrefixedName"]) == (BOB, "AD+corp:bob")
    (asked,) = wanted.values()
    assert seen(revoke_grants(venafi, token, {"GranteePrefixedUniversal": asked}))[1]["Result"] == 3
    assert venafi.live_grants(BOB) == 1


@pytest.mark.parametrize(
    ("universal", "attribute", "values"),
    [
        (ADA, "Internet EMail Address", ["ada@example.com"]),
        (ADA, "Internet Email Address", []),
        (ADA, "mail", []),
        (ADA, "Full Name", ["Ada Lovelace"]),
        (BOB, "mail", ["bob@example.com"]),
        (BOB, "Internet EMail Address", []),
        ("local:{nobody}", "Full Name", []),
    ],
)
def test_an_attribute_is_read_by_its_exact_name(
    venafi: VenafiSimulator, token: str, universal: str, attribute: str, values: list[str]
) -> None:
    venafi.add_identity(BOB, "bob", full_name="Bob Adams", email="bob@example.com")
    body = {"ID": {"PrefixedUniversal": universal}, "AttributeName": attribute}
    assert seen(post(venafi, "vedsdk/Identity/ReadAttribute", body, token)) == (200, {"Attributes": values})
    for malformed in ({"ID": {"PrefixedUniversal": ADA}}, {"AttributeName": "mail"}):
        assert refused(post(venafi, "vedsdk/Identity/ReadAttribute", malformed, token)) == (400, "invalid_request")


def test_looking_somebody_up_wants_the_scope_configuration(venafi: VenafiSimulator) -> None:
    token = str(venafi.authorize("leaver", ROBOT, "admin:delete")["access_token"])
    for path in ("Browse", "Validate", "ReadAttribute"):
        assert refused(post(venafi, f"vedsdk/Identity/{path}", {}, token)) == (403, "insufficient_scope")


def test_self_is_the_tokens_own_identity(venafi: VenafiSimulator, token: str) -> None:
    (identity,) = get(venafi, "vedsdk/Identity/Self", token).json()["Identities"]
    assert (identity["PrefixedUniversal"], identity["PrefixedName"]) == (ROBOT, "local:robot")


def test_a_method_that_is_not_there_is_answered_by_the_web_server(venafi: VenafiSimulator, token: str) -> None:
    answer = post(venafi, "vedsdk/oauth/RevokeToken", {}, token)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


# -- questions


def test_another_process_asks_and_tells_over_http(venafi: VenafiSimulator) -> None:
    control = RemoteSimulator(venafi.url)
    assert control.ask("live_grants", prefixed_universal=ADA, application_id="vcert") == 2
    control.ask("add_identity", prefixed_universal="local:{c}", name="carol", role=5)
    tokens = control.ask("authorize", application_id="leaver", prefixed_universal="local:{c}")
    assert set(tokens) == {"access_token", "refresh_token", "expires_at", "scope"}
    digest = hashlib.sha256(tokens["refresh_token"].encode()).hexdigest()
    assert control.ask("live_token_kind", digest=digest) == "refresh"
    control.ask("answer_result", result=8)
    assert revoke_grants(venafi, tokens["access_token"], {"GranteePrefixedUniversal": ADA}).json()["Result"] == 8
    revoke_grants(venafi, tokens["access_token"], {"GranteePrefixedUniversal": "local:{c}"})
    assert control.ask("live_token_kind", digest=digest) is None
    assert [entry["status"] for entry in control.ask("journal", path=".*/revokegrants")] == [200, 200]
    control.close()


def test_a_scope_that_was_added_is_in_the_next_token_minted(venafi: VenafiSimulator) -> None:
    venafi.set_scope("leaver", "configuration")
    tokens = venafi.authorize("leaver", ROBOT)
    venafi.set_scope("leaver", "admin:delete;configuration")
    ask = {"GranteePrefixedUniversal": ADA}
    assert revoke_grants(venafi, str(tokens["access_token"]), ask).status_code == 403
    newer = refresh(venafi, tokens["refresh_token"]).json()
    assert revoke_grants(venafi, newer["access_token"], ask).json()["Success"]
    assert venafi.live_grants(ADA) == 0


def test_a_role_may_be_taken_away(venafi: VenafiSimulator, token: str) -> None:
    venafi.set_role(ROBOT, Role.USER)
    assert refused(revoke_grants(venafi, token, {"GranteePrefixedUniversal": ADA})) == (401, "insufficient_rights")
