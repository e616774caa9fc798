"""`leaver offboard`, `contain`, `cancel` and `reinstate` on the whole local world, as an operator types them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from local import acme
from local.acme import Person
from tests.e2e.operated import Operated, rows, shared_world
from tests.e2e.test_offboarding import has_all, is_out, requested

__all__ = ["shared_world"]  # a fixture

CASE = re.compile(r"c-[0-9a-f]{8}-[0-9a-f-]{27}")


def test_offboard_asks_ends_everything_and_prints_the_case(world: Operated) -> None:
    leaver, colleague = world.hire(), world.hire()
    refused = world.leaver("offboard", leaver.email, typed="n\n")
    assert refused.exit_code == 1
    world.wait_until_idle()
    assert has_all(world, leaver)

    done = world.leaver("offboard", leaver.email, "--because", "the contract ended", typed="y\n")
    assert done.exit_code == 0
    told = rows(done)
    assert CASE.fullmatch(told["case"])
    assert (told["who"], told["fate"]) == (leaver.email, "opened")
    world.wait_until_idle()
    assert is_out(world, leaver)
    assert has_all(world, colleague)
    case = world.case(told["case"])
    assert (case["source"], case["request"]["because"]) == ("operator", "the contract ended")
    assert case["actor"]


def test_before_the_question_it_is_shown_who_is_meant_and_what_they_have(world: Operated) -> None:
    leaver = world.hire()
    world.venafi.authorize(acme.CERTIFICATE_APP, leaver.venafi_id)
    world.send("retrieve_user_token", {"user_id": leaver.email, "connection": "zoom"})
    world.wait_until_idle()
    shown = world.leaver("offboard", leaver.email, "--dry-run")
    assert shown.exit_code == 0, shown.stdout + shown.stderr
    ends = {line.split("\t")[1].partition("#")[0]: line.split("\t")[2:] for line in shown.stdout.splitlines()[1:]}
    assert ends["RevokeSsoToken"][0] == f"{leaver.zoom_id} (by account)"
    assert ends["RevokeGrants"] == [f"{leaver.venafi_id} (by address)", "2 grants"]
    assert ends["PurgeUserTokens"][1] == "1 kept token"
    assert "can not be asked" in ends["RevokeSsoToken"][1]
    world.wait_until_idle()
    assert [each for each in world.cases() if each["email"] == leaver.email] == []
    assert has_all_and_one_grant_more(world, leaver)
    assert "zak" not in shown.stdout + shown.stderr

    asked = world.leaver("offboard", leaver.email, typed="n\n")
    assert (asked.exit_code, rows(asked)) == (1, {})
    assert [line for line in asked.stderr.splitlines() if line.startswith("ends\t")] == shown.stdout.splitlines()[1:]


def has_all_and_one_grant_more(world: Operated, person: Person) -> bool:
    return world.zoom.has_session(person.email) and world.venafi.live_grants(person.venafi_id) == 2


def test_a_preview_names_nobody_a_case_that_is_there_and_a_connection_of_theirs(world: Operated) -> None:
    leaver = world.hire(at_venafi=False)
    acme.connect_zoom(world, "of-a-leaver", (acme.READ_USER,), personal_to=leaver)
    begun = world.leaver("offboard", leaver.email, "--at", "2031-01-01 09:00", "--tz", "UTC", "--yes")
    told = json.loads(world.leaver("offboard", leaver.email, "--dry-run", "--json").stdout)
    there = {each["step"].partition("#")[0]: each["there"] for each in told["would_end"]}
    assert "nobody is found there" in there["RevokeGrants"]
    assert there["RevokeAccessToken"] == "a connection of theirs"
    assert [each["case"] for each in told["cases"]] == [rows(begun)["case"]]


def test_a_provider_that_does_not_answer_keeps_nobody_from_being_shown(world: Operated) -> None:
    leaver = world.hire()
    world.venafi.inject(".*", times=None, handling="skip", reply="venafi/503-html")
    told = json.loads(world.leaver("contain", leaver.email, "--dry-run", "--json").stdout)
    [grants] = [each["there"] for each in told["would_end"] if each["step"].startswith("RevokeGrants")]
    assert grants.startswith("can not be asked now: ")
    assert world.parked("revoke_grants") == []


def test_with_wait_the_steps_are_told_as_they_happen(world: Operated) -> None:
    leaver = world.hire()
    done = world.leaver("offboard", leaver.email, "--urgent", "--wait", "--yes")
    assert done.exit_code == 0, done.stdout + done.stderr
    steps = [line.split("\t")[1:3] for line in done.stdout.splitlines() if re.match(r"\d\d:\d\d:\d\dZ\t", line)]
    assert {(step.partition("#")[0], outcome) for step, outcome in steps[:-1]} == {
        ("RevokeSsoToken", "revoked"),
        ("RevokeGrants", "revoked"),
        ("PurgeUserTokens", "purged"),
    }
    assert steps[-1] == ["case", "completed"]
    assert is_out(world, leaver)
    assert world.case(rows(done)["case"])["urgency"] == "urgent"


def test_with_wait_what_only_a_person_can_do_ends_it_with_1(world: Operated) -> None:
    leaver = world.hire(at_venafi=False)
    done = world.leaver("offboard", leaver.email, "--wait", "--yes")
    assert done.exit_code == 1, done.stdout + done.stderr
    assert "user_not_found, outstanding" in done.stdout
    assert done.stdout.splitlines()[-1].split("\t")[1:3] == ["case", "needs a person"]


def test_contain_ends_what_a_thief_may_have_and_nobody_leaves(world: Operated) -> None:
    person = world.hire()
    done = world.leaver("contain", person.email, "--wait", "--json", "--yes")
    assert done.exit_code == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["fate"], told["state"], told["outstanding"]) == ("opened", "completed", [])
    assert is_out(world, person)
    assert world.case(told["case"])["request"]["kind"] == "contain"


def test_next_friday_at_five_in_berlin(world: Operated) -> None:
    person = world.hire()
    day = (datetime.now(UTC) + timedelta(days=6)).date()
    done = world.leaver("offboard", person.email, "--at", f"{day} 17:00", "--tz", "Europe/Berlin", typed="y\n")
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "17:00 Europe/Berlin" in done.stderr
    told = rows(done)
    assert told["state"] == "scheduled"
    assert world.case(told["case"])["effective_at"].startswith(f"{day}T1")
    assert has_all(world, person)


def test_a_time_in_the_past_asks_again_and_is_refused_with_yes(world: Operated) -> None:
    person = world.hire()
    refused = world.leaver("offboard", person.email, "--at", "2020-01-01 09:00", "--tz", "UTC", "--yes")
    assert refused.exit_code == 2
    assert "lies in the past" in refused.stderr
    asked = world.leaver(
        "offboard", person.email, "--at", "2020-01-01 09:00", "--tz", "UTC", typed="2031-01-01 09:00\ny\n"
    )
    assert (asked.exit_code, rows(asked)["state"]) == (0, "scheduled")


def test_who_is_interrupted_meanwhile_is_told_that_it_goes_on(world: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    person = world.hire()
    monkeypatch.setattr("leaver_cli.fates.await_fate", interrupt)
    stopped = world.leaver("offboard", person.email, "--yes")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert "it is decided, and goes on without you" in stopped.stderr
    world.wait_until_idle()
    assert is_out(world, person)


def test_what_does_not_begin_is_told_as_json_also_with_wait(world: Operated) -> None:
    leaver, other = world.hire(), world.hire()
    done = world.leaver("contain", other.email, "--identity", f"zoom:id={leaver.zoom_id}", "--yes", "--json", "--wait")
    assert (done.exit_code, json.loads(done.stdout)["fate"]) == (1, "dead_lettered")


def test_an_identity_that_is_somebody_elses_is_refused_and_both_keep_everything(world: Operated) -> None:
    leaver, other = world.hire(), world.hire()
    done = world.leaver("offboard", other.email, "--identity", f"zoom:id={leaver.zoom_id}", "--yes")
    assert done.exit_code == 1
    told = rows(done)
    assert "there this is somebody with another address" in told["because"]
    assert told["fate"].startswith("dead-lettered")
    assert has_all(world, leaver)
    assert has_all(world, other)


def test_who_is_a_case_already_is_told_which(world: Operated) -> None:
    person = world.hire()
    told = requested(person, kind="scheduled", effective_at="2031-01-01T09:00:00Z")
    world.send("start_offboarding", told)
    world.wait_until_idle()
    done = world.leaver("offboard", person.email, "--yes")
    assert done.exit_code == 0
    [case] = [each for each in world.cases() if each["email"] == person.email]
    assert rows(done)["case"] == case["case_id"]
    world.wait_until_idle()
    assert is_out(world, person)


def test_who_was_to_leave_later_is_cancelled_by_their_name(world: Operated) -> None:
    person = world.hire()
    begun = world.leaver("offboard", person.email, "--at", "2031-01-01 09:00", "--tz", "UTC", "--yes")
    done = world.leaver("cancel", person.email, typed="y\n")
    assert done.exit_code == 0, done.stdout + done.stderr
    told = rows(done)
    assert (told["case"], told["fate"]) == (rows(begun)["case"], f"{person.email} stays")
    assert told["now"] == world.case(told["case"])["state"] == "cancelled"
    again = world.leaver("cancel", person.email, "--yes")
    assert (again.exit_code, world.case(told["case"])["state"]) == (1, "cancelled")
    world.wait_until_idle()
    assert has_all(world, person)


def test_who_is_taken_back_is_told_what_was_ended_by_name_and_may_have_tokens_again(world: Operated) -> None:
    person = world.hire()
    world.leaver("offboard", person.email, "--wait", "--yes")
    done = world.leaver("reinstate", person.email, typed="y\n")
    assert done.exit_code == 0, done.stdout + done.stderr
    ended = [line.split("\t")[1:] for line in done.stdout.splitlines() if line.startswith("ended\t")]
    assert [each[0].partition("#")[0] for each in ended] == ["RevokeSsoToken", "RevokeGrants"]
    assert {each[2] for each in ended} == {"revoked, can not be given back"}
    assert rows(done)["fate"] == f"{person.email} stays"
    [asked] = world.send("retrieve_user_token", {"user_id": person.email, "connection": "zoom"})
    world.wait_until_idle()
    assert world.receipt(asked)["outcome"] == "retrieved"
    nobody = world.leaver("reinstate", "nobody@example.com", "--yes")
    assert (nobody.exit_code, nobody.stdout) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ada",), "who: expected an e-mail address"),
        (("ada@example.com", "--identity", "zoom=1"), "expected PROVIDER:KEY=VALUE, of zoom:id, venafi:name"),
        (("ada@example.com", "--identity", "acme:id=1"), "subject.identities: unknown field (allowed: venafi, zoom)"),
        (("ada@example.com", "--tz", "UTC"), "say when"),
        (("ada@example.com", "--at", "2031-01-01 09:00", "--yes"), "on which clocks?"),
        (("ada@example.com", "--at", "2031-01-01 09:00", "--tz", "berlin", "--yes"), "did you mean Europe/Berlin?"),
    ],
)
def test_what_says_nothing_that_could_be_done_is_usage(world: Operated, arguments: tuple[str, ...], said: str) -> None:
    result = world.leaver("offboard", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.split())
