"""What Secrets Manager does not take: asked again, then encrypted into the record, and taken up by the next run."""

from datetime import timedelta

import pytest

from leaver.connections.record import Status
from leaver.errors import InvalidGrant, LeaverError, NotKept
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.refresher import CHILD, GRANDCHILD, Stage
from tests.doubles.secrets_manager import PARENT, tokens

REFRESHED = Result(Outcome.REFRESHED, details={"version_id": CHILD})


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_write_that_is_refused_for_a_moment_is_repeated(stage: Stage) -> None:
    def comes_back_after_ten_seconds() -> None:
        stage.secrets.read_only = stage.clock() < NOW + timedelta(seconds=10)

    stage.secrets.read_only = True
    stage.waiting = comes_back_after_ten_seconds
    assert stage.refresh() == REFRESHED
    assert stage.grant.asked == [("refresh", "refresh-1")]
    assert stage.record.encrypted_refresh_token is None


def test_a_write_whose_answer_was_lost_is_repeated_and_is_the_same(stage: Stage) -> None:
    stage.secrets.mute = True
    stage.waiting = lambda: setattr(stage.secrets, "mute", False)
    assert stage.refresh() == REFRESHED
    assert stage.grant.asked == [("refresh", "refresh-1")]


def encrypted(stage: Stage) -> None:
    """Refresh while Secrets Manager takes nothing."""
    stage.secrets.read_only = True
    with pytest.raises(NotKept, match=r"^secret leaver/tokens/zoom/zoom: InternalServiceError$"):
        stage.refresh()
    assert stage.record.lease_holder is None
    stage.cools_off()


def test_when_the_time_is_almost_over_the_refresh_token_goes_encrypted_into_the_record(stage: Stage) -> None:
    encrypted(stage)
    took = stage.record.refresh_at - NOW - timedelta(seconds=23)
    assert timedelta(seconds=70) < took <= timedelta(seconds=79)
    assert (stage.record.status, stage.record.version) == (Status.COOLING_DOWN, PARENT)
    assert stage.record.encrypted_refresh_token
    assert "refresh-2" not in (stage.record.encrypted_refresh_token or "")
    assert stage.kms.broken is False


def test_the_next_run_decrypts_the_token_and_goes_on_with_it(stage: Stage) -> None:
    encrypted(stage)
    stage.secrets.read_only = False
    assert stage.refresh() == Result(Outcome.REFRESHED, details={"version_id": GRANDCHILD})
    assert stage.grant.asked == [("refresh", "refresh-1"), ("refresh", "refresh-2")]
    assert stage.stored(CHILD)["refresh_token"] == "refresh-2"
    assert stage.stored(GRANDCHILD)["refresh_token"] == "refresh-3"
    assert stage.record.encrypted_refresh_token is None


def test_an_encrypted_token_waits_as_long_as_secrets_manager_takes_nothing(stage: Stage) -> None:
    encrypted(stage)
    encrypted(stage)
    assert stage.grant.asked == [("refresh", "refresh-1")]
    stage.secrets.read_only = False
    stage.refresh()
    assert stage.record.version == GRANDCHILD


def test_an_encrypted_token_waits_as_long_as_it_cannot_be_decrypted(stage: Stage) -> None:
    encrypted(stage)
    stage.secrets.read_only, stage.kms.broken = False, True
    with pytest.raises(LeaverError, match=r"^connection zoom: KMS did not decrypt$"):
        stage.refresh()
    assert stage.record.lease_holder is None
    assert stage.record.encrypted_refresh_token
    stage.kms.broken = False
    stage.cools_off()
    stage.refresh()
    assert stage.record.version == GRANDCHILD


def test_an_encrypted_token_is_dropped_where_secrets_manager_had_taken_the_pair_in_truth(stage: Stage) -> None:
    stage.secrets.mute = True
    with pytest.raises(NotKept, match="ReadTimeoutError"):
        stage.refresh()
    assert stage.connections.read("zoom").encrypted_refresh_token
    stage.secrets.mute = False
    stage.cools_off()
    assert stage.refresh() == REFRESHED
    assert stage.grant.asked == [("refresh", "refresh-1")]
    assert (stage.record.encrypted_refresh_token, stage.record.version) == (None, CHILD)


def test_what_was_not_rotated_is_not_encrypted(stage: Stage) -> None:
    stage.grant.rotates = False
    encrypted(stage)
    assert stage.record.encrypted_refresh_token is None
    stage.secrets.read_only = False
    assert stage.refresh() == REFRESHED


def test_a_token_that_nobody_takes_is_lost_and_that_is_not_forgotten(stage: Stage) -> None:
    stage.secrets.read_only = stage.kms.broken = True
    with pytest.raises(NotKept, match=r"^secret leaver/tokens/zoom/zoom: InternalServiceError$"):
        stage.refresh()
    assert (stage.record.lease_holder, stage.record.unanswered_since) == (None, NOW)
    stage.secrets.read_only = stage.kms.broken = False
    stage.cools_off()
    with pytest.raises(InvalidGrant, match="was never answered"):
        stage.refresh()


def test_an_encrypted_token_never_overwrites_what_somebody_else_stored_first(stage: Stage) -> None:
    encrypted(stage)
    stage.secrets.read_only = False
    newest = stage.secret_store.latest_version

    def blind(place: str, version: str) -> str:
        """What was just written is not seen yet."""
        found = newest(place, version)
        stage.keep(CHILD, tokens("access-9", "refresh-9"))
        return found

    stage.secret_store.latest_version = blind  # type: ignore[method-assign]
    with pytest.raises(LeaverError, match="holds other tokens"):
        stage.refresh()
    assert stage.record.lease_holder is None
    assert stage.stored(CHILD)["refresh_token"] == "refresh-9"
