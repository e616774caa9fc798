"""The process that revokes a connection is killed before and after each of its effects: the grant ends all the same."""

from typing import Final

import pytest

from local.call_gate import Moment
from tests.e2e.killing import ANSWER, REVOKE, Deaths, Provider
from tests.e2e.watched_world import WatchedWorld
from tests.field import Field
from tests.length import at_length, some

#: Every effect of one revocation, in order, and what the receipt says in the end when the process is killed just before
#: and just after it. Written by hand: "already gone" is the truth where the provider's word died with the process.
EXPECTED: Final[tuple[tuple[str, str, str], ...]] = (
    ("BatchGetItem", "revoked", "revoked"),  # a receipt?
    ("GetItem", "revoked", "revoked"),  # is the person counted in this hour?
    ("UpdateItem", "revoked", "revoked"),  # one more
    ("UpdateItem", "revoked", "revoked"),  # who
    ("GetItem", "revoked", "revoked"),
    ("UpdateItem", "revoked", "revoked"),  # to be revoked
    ("UpdateItem", "revoked", "revoked"),  # the lease
    ("GetSecretValue", "revoked", "revoked"),  # is there a successor?
    ("GetSecretValue", "revoked", "revoked"),  # the tokens
    ("GetSecretValue", "revoked", "revoked"),  # Zoom's credentials
    (REVOKE, "revoked", "already_gone"),
    ("GetItem", "already_gone", "already_gone"),
    ("UpdateItem", "already_gone", "revoked"),  # retired, with the provider's word
    ("UpdateItem", "revoked", "revoked"),  # the receipt
    ("PutEvents", "revoked", "revoked"),
    (ANSWER, "revoked", "revoked"),
)
#: Venafi revokes by the token alone
CREDENTIALS: Final = 9
MOMENTS: Final[tuple[Moment, ...]] = ("before", "after")


@at_length
@pytest.mark.parametrize("provider", ["zoom", "venafi"])
def test_whatever_the_kill_nothing_that_was_issued_on_the_grant_works(
    world: WatchedWorld, provider: Provider, field: Field
) -> None:
    expected = [row for place, row in enumerate(EXPECTED) if provider == "zoom" or place != CREDENTIALS]
    effects = [effect for effect, _, _ in expected]
    revocations = Deaths(world, "revoke_access_token", provider, REVOKE, effects)
    assert revocations.done(revocations.connect()) == effects

    # a new process costs most of a second of computing
    places = some(range(len(effects)), short=2, first=effects.index(REVOKE))
    killed = {(place, moment): revocations.connect() for place in places for moment in MOMENTS}
    sent = {cell: revocations.die(connection, *cell) for cell, connection in killed.items()}
    revocations.morning()

    alive = [cell for cell, connection in killed.items() if revocations.live(connection)]
    assert {world.record(connection)["status"] for connection in killed.values()} == {"revoked"}
    outcomes = {
        (place, moment): outcome
        for place in places
        for moment, outcome in zip(MOMENTS, expected[place][1:], strict=True)
    }
    false = [cell for cell, each in sent.items() if world.receipt(each)["outcome"] != outcomes[cell]]
    field("a killed process", "SIGKILL at an effect of a revocation", len(killed), lost=alive, false=false)
    told = [each.detail["subject"] for each in world.announced("AccessTokenRevoked")]
    assert set(killed.values()) <= set(told)
