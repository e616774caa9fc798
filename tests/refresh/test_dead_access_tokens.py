"""An access token that died at its provider, unexpired on record, while the refresh token beside it lives."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from leaver.connections.grants import ProviderGrants
from leaver.outcomes import Outcome
from local.simulators.grants import Rotation as Kind
from tests.doubles.acme.entry import RENEWED
from tests.doubles.night import Night

#: how the rule could be lost, and what a person would have seen: an access that is called ended, and lives
MUTATIONS: Final[Mapping[str, Any]] = {
    "whatever the provider says is believed": lambda *_: True,
    "invalid token is believed, as it was": lambda _, record, __, said=Outcome.REVOKED: (
        said is Outcome.ALREADY_GONE or record.provider != "acme"
    ),
}


def revoked(provider: str) -> Night:
    """Somebody ends a connection whose access token the provider has forgotten."""
    night = Night(Kind.STRICT, provider)
    (grant,) = night.server.grants
    grant.access_tokens.clear()
    night.revoke()()
    night.morning()
    return night


@pytest.mark.parametrize("provider", RENEWED)
def test_it_ends_by_its_refresh_token_and_nothing_is_claimed_before(provider: str) -> None:
    night = revoked(provider)
    assert night.fate() == "revoked"
    assert night.live == {"access": [], "refresh": []}
    assert "refresh" in night.server.asked
    assert night.parked == []


@pytest.mark.parametrize("provider", ["zoom", "venafi"])
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_that_test_sees_it_where_the_rule_is_lost(
    provider: str, mutation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProviderGrants, "proves_end", MUTATIONS[mutation])
    assert revoked(provider).fate() == "revoked on record, and 1 tokens live"
