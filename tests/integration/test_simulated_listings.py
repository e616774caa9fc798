"""Who has something, as the simulators list it over real HTTP: in pages, by status, resolved or not."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from local.simulators.venafi import VenafiSimulator
from local.simulators.zoom import ZoomSimulator
from tests.integration import simulated_venafi, simulated_zoom
from tests.integration.simulated_venafi import ADA, BOB, ROBOT, post

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def zoom() -> Iterator[ZoomSimulator]:
    with ZoomSimulator(clock=lambda: NOON) as simulator:
        simulated_zoom.set_up(simulator)
        simulator.set_scopes("leaver-client", ["user:read:list_users:admin"])
        yield simulator


@pytest.fixture
def bearer(zoom: ZoomSimulator) -> dict[str, str]:
    return {"Authorization": f"Bearer {zoom.authorize('leaver-client', 'installer')['access_token']}"}


def listed(zoom: ZoomSimulator, bearer: dict[str, str], **query: object) -> requests.Response:
    asked = {name: str(value) for name, value in query.items()}
    return requests.get(f"{zoom.api_url}/users", params=asked, headers=bearer, timeout=10)


def test_a_listing_is_of_one_status_in_pages_and_tells_its_total(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    first = listed(zoom, bearer, page_size=1).json()
    assert (first["total_records"], [each["email"] for each in first["users"]]) == (2, ["ada@example.com"])
    second = listed(zoom, bearer, page_size=1, next_page_token=first["next_page_token"]).json()
    assert ([each["email"] for each in second["users"]], second["next_page_token"]) == (["it@example.com"], "")
    assert listed(zoom, bearer, status="inactive").json()["users"] == []


def test_a_list_tells_the_last_login_and_the_employee_id_where_there_are_any_and_never_a_login_type(
    zoom: ZoomSimulator, bearer: dict[str, str]
) -> None:
    seen = "2026-10-01T08:00:00+00:00"
    zoom.add_user("eve", "eve@example.com", account_id="acme", employee_unique_id="E-7", last_login_at=seen)
    ada, _, eve = listed(zoom, bearer).json()["users"]
    assert (eve["employee_unique_id"], eve["last_login_time"]) == ("E-7", "2026-10-01T08:00:00Z")
    assert not {"employee_unique_id", "last_login_time", "login_types"} & ada.keys()


def test_who_was_only_invited_has_no_id_yet(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.add_user("new", "new@example.com", account_id="acme", status="pending", session=False)
    (new,) = listed(zoom, bearer, status="pending").json()["users"]
    assert (new["email"], "id" in new) == ("new@example.com", False)


@pytest.mark.parametrize("then", [{"status": "inactive"}, {"page_size": 2}, {"advanced": 901}])
def test_a_page_token_is_for_the_same_question_and_for_a_quarter_of_an_hour(
    zoom: ZoomSimulator, bearer: dict[str, str], then: dict[str, object]
) -> None:
    token = listed(zoom, bearer, page_size=1).json()["next_page_token"]
    zoom.advance(int(str(then.get("advanced", 0))))
    asked = {"page_size": 1, "next_page_token": token} | {name: it for name, it in then.items() if name != "advanced"}
    answer = listed(zoom, bearer, **asked)
    assert (answer.status_code, answer.json()["code"]) == (400, 300)


def test_a_listing_wants_its_scope_a_status_and_a_page_that_zoom_gives(
    zoom: ZoomSimulator, bearer: dict[str, str]
) -> None:
    assert listed(zoom, bearer, page_size=301).json()["code"] == 300
    assert listed(zoom, bearer, status="gone").json()["code"] == 300
    zoom.set_scopes("leaver-client", ["user:read:user:admin"])
    without = {"Authorization": f"Bearer {zoom.authorize('leaver-client', 'installer')['access_token']}"}
    assert listed(zoom, without).json()["code"] == 4711


def test_a_listing_can_be_made_to_end_before_its_total(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.end_listings_after("acme", 1)
    answer = listed(zoom, bearer, page_size=1).json()
    assert (answer["next_page_token"], answer["total_records"], len(answer["users"])) == ("", 2, 1)


def test_listings_have_a_limit_of_their_own(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.set_rate_limit("acme", per_second=0, medium_per_second=1)
    answers = [listed(zoom, bearer) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].headers["X-RateLimit-Category"] == "Medium"


def test_an_applications_grants_name_their_grantees_resolved_or_not() -> None:
    with VenafiSimulator(clock=lambda: NOON) as venafi:
        simulated_venafi.set_up(venafi)
        token = str(venafi.authorize("leaver", ROBOT)["access_token"])
        venafi.delete_identity(BOB)
        ask = {"ApplicationId": "vcert", "Start": 0, "Count": 10, "ResolveIdentities": True}
        answer = post(venafi, "vedsdk/oauth/EnumerateGrants", ask, token).json()
        assert {each["GranteePrefixedUniversal"] for each in answer["Grants"]} == {ADA, BOB}
        assert [each["PrefixedName"] for each in answer["IdentityEntries"]] == ["local:ada"]
        venafi.resolve_identities(resolves=False)
        assert "IdentityEntries" not in post(venafi, "vedsdk/oauth/EnumerateGrants", ask, token).json()
        venafi.hide_grants(1)
        counted = post(venafi, "vedsdk/oauth/GrantCount", {"ApplicationId": "vcert"}, token).json()
        assert counted["Count"] == len(answer["Grants"]) + 1
