"""A company with two accounts at Zoom: whoever leaves is logged out of both, each over the account's own connection."""

from local import acme
from local.acme import Person
from tests.e2e.test_offboarding import ALL_ENDED, okta_event
from tests.e2e.watched_world import WatchedWorld


def test_one_who_is_in_both_accounts_under_one_address_is_logged_out_of_both_and_a_colleague_of_none(
    world: WatchedWorld,
) -> None:
    leaver, colleague = world.hire(), world.hire()
    elsewhere = Person(leaver.email, "elsewhereIm1QgePTO8Wb", "")
    acme.buy_company(world, elsewhere)
    bought = set(world.zoom.sessions(acme.BOUGHT_ACCOUNT))
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    assert leaver.zoom_id not in world.zoom.sessions(acme.ZOOM_ACCOUNT)
    assert colleague.zoom_id in world.zoom.sessions(acme.ZOOM_ACCOUNT)
    assert bought - set(world.zoom.sessions(acme.BOUGHT_ACCOUNT)) == {elsewhere.zoom_id}
    assert set(world.announced_names()) == set(ALL_ENDED)
    ended = {each.detail["account"]: each.detail["connection"] for each in world.announced("SsoTokenRevoked")}
    assert ended == {acme.ZOOM_ACCOUNT: "zoom", acme.BOUGHT_ACCOUNT: "zoom-bought"}
