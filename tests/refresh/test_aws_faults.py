"""AWS that refuses one call of a refresh, or does it and does not answer: nothing is lost, and nobody is alarmed."""

from collections.abc import Callable, Mapping
from typing import Final, get_args

import pytest
from botocore.exceptions import ReadTimeoutError

from leaver.connections import refresh
from leaver.connections.lease import Lease
from leaver.connections.refresh import TokenRefresher
from leaver.connections.token_versions import TokenVersion
from leaver.tokens import TokenSet
from local.simulators.grants import Rotation as Kind
from tests.doubles.aws_errors import client_error
from tests.doubles.night import Night
from tests.doubles.steps import Moment
from tests.refresh.test_crash_matrix import effects_of

#: which effects are calls of AWS, and what it says where there are too many
THROTTLES: Final[Mapping[str, str]] = {
    "read record": "ProvisionedThroughputExceededException",
    "write record": "ProvisionedThroughputExceededException",
    "read secret": "ThrottlingException",
    "write secret": "ThrottlingException",
    "encrypt": "ThrottlingException",
    "decrypt": "ThrottlingException",
    "announce": "ThrottlingException",
}


def without_secrets_manager(night: Night) -> Callable[[], bool]:
    night.secrets.read_only = True
    return night.refresh()


DO: Final[Mapping[str, Callable[[Night], Callable[[], bool]]]] = {
    "refresh": lambda night: night.refresh(),
    "revoke": lambda night: night.revoke(),
    "refresh without Secrets Manager": without_secrets_manager,
}
FATES: Final = {"refresh": "works", "revoke": "revoked", "refresh without Secrets Manager": "works"}


def played(do: str, place: int, moment: Moment, name: str) -> Night:
    """A night in which that call fails once."""

    def fail() -> None:
        if moment == "after":
            raise ReadTimeoutError(endpoint_url="https://aws.invalid/")
        raise client_error(name, THROTTLES[name])

    night = Night(Kind.STRICT)
    run = DO[do](night)
    night.effects.interrupt(place, moment, fail)
    run()
    night.secrets.read_only = False
    night.morning()
    return night


def failed(do: str) -> list[str]:
    """The calls whose failure costs something."""
    night = Night(Kind.STRICT)
    names = effects_of(night, DO[do](night))
    # What comes before the last resort is the same as in a refresh that needs none.
    begin = names.index("encrypt") if "encrypt" in names else 0
    wrong = []
    for place, name in list(enumerate(names))[begin:]:
        if name not in THROTTLES:
            continue
        for moment in get_args(Moment):
            night = played(do, place, moment, name)
            alarms = night.announced("ConnectionNeedsReauthorization")
            if night.fate() != FATES[do] or alarms or night.parked:
                wrong.append(f"{moment} {name} ({place}): {night.fate()}")
    return wrong


@pytest.mark.parametrize("do", DO)
def test_whichever_call_of_aws_fails_once_nothing_is_lost(do: str) -> None:
    assert failed(do) == []


def test_that_test_sees_it_where_a_refused_write_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    def store_once(self: TokenRefresher, lease: Lease, tokens: TokenSet, *, rotated: object) -> TokenVersion:
        del rotated
        return self.token_versions.store_next(lease.record, tokens)

    monkeypatch.setattr(TokenRefresher, "_store_tokens", store_once)
    assert any("write secret" in each for each in failed("refresh"))


def test_that_test_sees_it_where_the_last_resort_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "LAST_MOMENT", refresh.TIME_TO_ENCRYPT)
    costly = failed("refresh without Secrets Manager")
    assert any("before encrypt" in each for each in costly)
    assert any("before write record" in each for each in costly)
