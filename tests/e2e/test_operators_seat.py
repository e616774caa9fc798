"""The operator's seat on the local world, by the real command line in a pipe: see, follow, mend."""

import os
import subprocess
import sys

from local import acme
from tests.e2e.test_offboarding import requested
from tests.e2e.watched_world import WatchedWorld
from tests.length import at_length


def leaver(world: WatchedWorld, *arguments: str, exit_code: int = 0) -> list[list[str]]:
    """Run the command line as a script does; returns the cells of its rows."""
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "leaver_cli.main", *arguments],
        env={**os.environ, **world.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == exit_code, told.stdout + told.stderr
    return [line.split("\t") for line in told.stdout.splitlines()]


@at_length
def test_a_case_that_fails_at_zoom_is_seen_mended_followed_to_its_end_and_read_up(world: WatchedWorld) -> None:
    person = world.hire()
    world.zoom.inject("/v2/users/.*/token", handling="skip", reply="zoom/400-4711-missing-scopes")
    world.put_hr_event("OffboardingRequested", requested(person))
    world.wait_until_idle()
    [kept] = [each for each in world.cases() if each["email"] == person.email]
    case, step = str(kept["case_id"]), f"RevokeSsoToken#zoom/{acme.ZOOM_ACCOUNT}"

    [row] = [each for each in leaver(world, "cases", "--person", person.email, exit_code=1) if each[0] == case]
    assert row[:3] == [case, person.email, "open"]
    assert row[-1].startswith(f"{step}: mend what its reason says (missing scopes: ")
    assert row[-1].endswith(f"), then `leaver retry {case}`")
    [failed] = [each for each in leaver(world, "case", case, exit_code=1) if each[0] == step]
    assert failed[1] == "failed, outstanding"
    grouped = leaver(world, "parked", exit_code=1)
    assert [each[:3] for each in grouped] == [["revoke_sso_token", "1", "Rejected"]]

    world.zoom.clear_faults()
    assert leaver(world, "retry", case, "--yes")[-1] == [
        "1 message went back to the queue that it came from, to be tried again now: what is not mended parks it again."
    ]
    assert leaver(world, "watch", case)[-1][1:] == [case, person.email, "case", "completed"]
    leaver(world, "case", case)
    assert leaver(world, "parked") == []
    assert [each[0] for each in leaver(world, "cases", "--done", "--person", person.email)] == [case]

    lines = leaver(world, "log", case)
    assert {each[1] for each in lines} >= {"start_offboarding", "revoke_sso_token", "revoke_grants"}
    said = [each[3] for each in lines if each[1] == "revoke_sso_token"]
    assert "missing scopes" in said[0]
    assert "outcome=revoked" in said[-1]
    assert [each[0] for each in lines] == sorted(each[0] for each in lines)


@at_length
def test_a_malformed_event_is_seen_dismissed_and_alarms_no_more(world: WatchedWorld) -> None:
    world.put_hr_event("OffboardingRequested", {"subject": {}})
    world.wait_until_idle()
    [grouped] = leaver(world, "parked", exit_code=1)
    assert grouped[:3] == ["start_offboarding", "1", "BadMessage"]
    assert "`leaver dismiss`" in grouped[5]
    [listed] = leaver(world, "parked", "start_offboarding", exit_code=1)
    call = ("dismiss", "start_offboarding", listed[0], "--because", "HR sent it anew", "--yes")
    [_, said] = leaver(world, *call)
    assert said[0].startswith(f"dismissed: {listed[0]} is removed; on record: ")
    assert said[0].endswith(", of start_offboarding: HR sent it anew")
    assert leaver(world, "parked") == []
