"""Who has something, and who should be there, read page by page over real HTTP from the simulators."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from pydantic import SecretStr

from leaver.errors import Rejected
from leaver.providers.listing import BEGINNING, CutShort, Lists, Person
from leaver.providers.okta.roster import OktaRoster
from leaver.providers.transport import Transport
from leaver.providers.venafi.listing import VenafiListing
from leaver.providers.zoom.listing import ZoomListing
from leaver.reconcile.comparison import Held, compare
from local.simulators.hr import HrSimulator
from local.simulators.venafi import VenafiSimulator
from local.simulators.zoom import ZoomSimulator
from tests.integration import simulated_venafi, simulated_zoom
from tests.integration.simulated_venafi import ADA, BOB, ROBOT

NOW = datetime(2026, 11, 29, 2, tzinfo=UTC)
Told = TypeVar("Told")
Found = TypeVar("Found")


class Asking:
    """Lets every call through, and counts what each weighs."""

    def __init__(self, token: str) -> None:
        self._token = SecretStr(token)
        self.calls = 0

    def __call__(self, call: Callable[[SecretStr], Told], *, calls: int = 1) -> Told:
        self.calls += calls
        return call(self._token)


def read_all(listing: Lists[Found], ask: Asking, between: Callable[[], object] = lambda: None) -> list[Found]:
    found: list[Found] = []
    cursor = BEGINNING
    while True:
        page = listing.read_page(cursor, ask)
        found += page.found
        if page.next is None:
            return found
        cursor = page.next
        between()


@pytest.fixture
def zoom() -> Iterator[ZoomSimulator]:
    with ZoomSimulator() as simulator:
        simulated_zoom.set_up(simulator)
        simulator.set_scopes("leaver-client", ["user:read:list_users:admin"])
        for number in range(598):
            simulator.add_user(f"u{number}", f"u{number}@example.com", account_id="acme")
        simulator.add_user("left", "left@example.com", account_id="acme", status="inactive", employee_unique_id="E-1")
        simulator.add_user("new", "new@example.com", account_id="acme", status="pending", session=False)
        yield simulator


def of_zoom(zoom: ZoomSimulator) -> tuple[ZoomListing, Asking]:
    token = str(zoom.authorize("leaver-client", "installer")["access_token"])
    return ZoomListing(Transport(zoom.api_url, clock=zoom.now), zoom.now), Asking(token)


def test_who_left_and_signs_in_by_another_way_than_sso_is_found(zoom: ZoomSimulator) -> None:
    zoom.add_user("by-google", "g@example.com", account_id="acme", login_type="google")
    listing, ask = of_zoom(zoom)
    held = [Held("zoom/acme", each) for each in read_all(listing, ask)]
    lists = compare([Person("g@example.com", is_gone=True)], held, {}, lambda _: None)
    assert [(row.id, row.email) for row in lists.gone_and_alive] == [("by-google", "g@example.com")]


def test_everybody_at_zoom_is_listed_whatever_their_status(zoom: ZoomSimulator) -> None:
    listing, ask = of_zoom(zoom)
    found = read_all(listing, ask)
    assert len(found) == 602
    (left,) = [each for each in found if each.what == "inactive"]
    assert (left.email, left.employee_id, left.is_alive) == ("left@example.com", "E-1", False)
    (new,) = [each for each in found if each.what == "pending"]
    assert (new.id, new.is_alive) == (None, True)
    assert ask.calls == 2 * 4


def test_a_page_token_that_expired_begins_that_status_again(zoom: ZoomSimulator) -> None:
    listing, ask = of_zoom(zoom)
    first = listing.read_page(BEGINNING, ask)
    assert first.next is not None
    zoom.advance(16 * 60)
    assert listing.read_page(first.next, ask).next == {"status": 0}
    assert len(read_all(listing, ask)) == 602


def test_a_listing_of_zooms_that_ends_before_its_total_is_no_listing(zoom: ZoomSimulator) -> None:
    zoom.end_listings_after("acme", 1)
    listing, ask = of_zoom(zoom)
    with pytest.raises(CutShort, match="600 people are active, and lists 300"):
        read_all(listing, ask)


def test_without_the_scope_nobody_is_listed(zoom: ZoomSimulator) -> None:
    zoom.set_scopes("leaver-client", ["user:read:user:admin"])
    listing, ask = of_zoom(zoom)
    with pytest.raises(Rejected, match="missing scopes"):
        read_all(listing, ask)


@pytest.fixture
def venafi() -> Iterator[VenafiSimulator]:
    with VenafiSimulator() as simulator:
        simulated_venafi.set_up(simulator)
        simulator.add_application("forgotten", scope="certificate:manage")
        simulator.authorize("forgotten", BOB)
        simulator.delete_identity(BOB)
        for number in range(150):
            simulator.authorize("forgotten", ADA if number % 2 else ROBOT)
        yield simulator


def of_venafi(venafi: VenafiSimulator) -> tuple[VenafiListing, Asking]:
    token = str(venafi.authorize("leaver", ROBOT)["access_token"])
    return VenafiListing(Transport(venafi.url, clock=venafi.now), venafi.now), Asking(token)


@pytest.mark.parametrize("resolves", [True, False])
def test_the_grantees_of_every_application_are_listed_and_a_deleted_account_by_its_id_alone(
    venafi: VenafiSimulator, *, resolves: bool
) -> None:
    venafi.resolve_identities(resolves)
    listing, ask = of_venafi(venafi)
    found = read_all(listing, ask)
    assert {each.id for each in found} == {ROBOT, ADA, BOB}
    (ada,) = {(each.email, each.names) for each in found if each.id == ADA}
    assert ada == ("ada@example.com", ("local:ada",))
    assert {(each.email, each.names) for each in found if each.id == BOB} == {(None, ())}
    assert {each.what for each in found if each.id == BOB} == {"grant of vcert", "grant of forgotten"}


def test_grants_that_are_counted_and_not_listed_stop_the_listing(venafi: VenafiSimulator) -> None:
    venafi.hide_grants(1)
    listing, ask = of_venafi(venafi)
    with pytest.raises(CutShort, match="counts"):
        read_all(listing, ask)


def test_everybody_at_okta_is_on_the_roster_and_those_who_left_are_said_to_be_gone() -> None:
    with HrSimulator() as hr:
        hr.add_key("okta", "key")
        for number in range(450):
            hr.add_person("okta", f"00u{number:013}", f"p{number}@example.com")
        hr.leaves("okta", "00u0000000000007")
        roster = OktaRoster(Transport(hr.url, clock=hr.now), hr.now)
        people = read_all(roster, Asking("key"))
        assert len({each.email for each in people}) == 450
        assert [each.email for each in people if each.is_gone] == ["p7@example.com"]
        hr.hides("okta", "00u0000000000009", "email")
        hr.hides("okta", "00u0000000000009", "login")
        with pytest.raises(CutShort, match="no address"):
            read_all(roster, Asking("key"))
