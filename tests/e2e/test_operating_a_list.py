"""`leaver offboard --from people.csv` on the whole local world: everybody of a list, each once."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from leaver_cli.offboarding import many
from local.acme import Person
from tests.e2e.operated import Operated, rows, shared_world
from tests.e2e.test_offboarding import has_all, is_out

__all__ = ["shared_world"]  # a fixture


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def write(path: Path, *lines: str, header: str = "who") -> None:
    path.write_text("\n".join([header, *lines, ""]))


def result_of(path: Path) -> list[dict[str, str]]:
    with path.with_suffix(".result.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def cases_of(world: Operated, *people: Person) -> list[Any]:
    emails = {each.email for each in people}
    return [each for each in world.cases() if each["email"] in emails]


def test_everybody_of_a_list_loses_everything_and_the_result_says_what_became_of_each(
    world: Operated, path: Path
) -> None:
    people, later, colleague = [world.hire() for _ in range(6)], world.hire(), world.hire()
    told = [f"{each.email},,,the office closed" for each in people]
    write(path, *told, f"{later.email},2031-01-01 17:00,Europe/Berlin,", header="who,at,tz,because")
    done = world.leaver("offboard", "--from", path, typed="y\n")
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "End every access of 7 people, 6 of them now?" in done.stderr
    assert rows(done)["opened"] == "7"
    assert rows(done)["result"] == str(path.with_suffix(".result.csv"))
    world.wait_until_idle(timeout=180)
    assert all(is_out(world, each) for each in people)
    assert has_all(world, later)
    assert has_all(world, colleague)
    result = result_of(path)
    assert {each["who"]: each["case"] for each in result} == {
        each["email"]: each["case_id"] for each in cases_of(world, *people, later)
    }
    assert {each["fate"] for each in result} == {"opened"}
    assert {each["request"]["because"] for each in cases_of(world, *people)} == {"the office closed"}


def test_a_bad_line_stops_all_of_them_with_its_number(world: Operated, path: Path) -> None:
    person = world.hire()
    write(path, person.email, "nobody", "somebody@example.com,x")
    refused = world.leaver("offboard", "--from", path, "--yes")
    assert (refused.exit_code, refused.stdout) == (2, "")
    said = refused.stderr.splitlines()
    assert said[0].startswith("line 3: who: expected an e-mail address")
    assert said[1] == "line 4: expected as many fields as line 1 has"
    assert not path.with_suffix(".result.csv").exists()
    world.wait_until_idle(timeout=180)
    assert has_all(world, person)


def test_more_people_than_was_said_on_purpose_are_refused(world: Operated, path: Path) -> None:
    people = [world.hire() for _ in range(3)]
    write(path, *(each.email for each in people))
    refused = world.leaver("offboard", "--from", path, "--cap", 2, "--yes")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "has 3 people: if that is meant, say --cap 3" in " ".join(refused.stderr.split())
    world.wait_until_idle(timeout=180)
    assert all(has_all(world, each) for each in people)
    write(path, *(f"somebody-{number}@example.com" for number in range(11)))
    assert "say --cap 11" in " ".join(world.leaver("offboard", "--from", path, "--yes").stderr.split())


def test_a_dry_run_shows_the_list_and_stops(world: Operated, path: Path) -> None:
    person = world.hire()
    write(path, f"{person.email},yes", header="who,urgent")
    shown = world.leaver("offboard", "--from", path, "--dry-run")
    assert (shown.exit_code, shown.stdout) == (0, f"2\t{person.email}\tnow, urgent\n")
    assert not path.with_suffix(".result.csv").exists()
    world.wait_until_idle(timeout=180)
    assert has_all(world, person)


def test_interrupted_and_run_again_it_repeats_nobody(
    world: Operated, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [world.hire() for _ in range(6)]
    write(path, *(each.email for each in people))
    monkeypatch.setattr(many, "AHEAD", 2)
    hear = many.Run._hear

    def hear_and_be_interrupted(self: many.Run) -> bool:
        if len(self.left) <= 3:
            raise KeyboardInterrupt
        return hear(self)

    monkeypatch.setattr(many.Run, "_hear", hear_and_be_interrupted)
    stopped = world.leaver("offboard", "--from", path, "--yes")
    assert stopped.exit_code == 130
    assert "run the same again, and nobody is repeated" in stopped.stderr
    monkeypatch.setattr(many.Run, "_hear", hear)
    world.wait_until_idle(timeout=180)
    noted = {each["who"]: each["case"] for each in result_of(path) if each["fate"]}
    assert 0 < len(noted) < 6
    # Somebody of the first run comes back, and logs in.
    back = next(each for each in people if each.email in noted)
    world.leaver("reinstate", back.email, "--yes")
    world.zoom.sign_in(back.email)

    done = world.leaver("offboard", "--from", path, "--yes", "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert sum(told["outcomes"].values()) == 6
    assert told["outcomes"].keys() <= {"opened", "repeated"}
    world.wait_until_idle(timeout=180)
    assert all(is_out(world, each) for each in people if each is not back)
    assert world.zoom.has_session(back.email)
    assert len(cases_of(world, *people)) == 6
    # And a third time nobody is asked about.
    third = world.leaver("offboard", "--from", path)
    assert third.exit_code == 0, third.stdout + third.stderr
    assert len(cases_of(world, *people)) == 6


def test_who_is_refused_is_told_and_sent_once_more_by_the_next_run(world: Operated, path: Path) -> None:
    person, other = world.hire(), world.hire()
    write(path, f"{person.email},{other.zoom_id}", header="who,zoom:id")
    refused = world.leaver("offboard", "--from", path, "--yes")
    assert refused.exit_code == 1
    assert rows(refused)["dead lettered"] == "1"
    assert "another address" in result_of(path)[0]["because"]
    write(path, f"{person.email},{person.zoom_id}", header="who,zoom:id")
    assert world.leaver("offboard", "--from", path, "--yes").exit_code == 0
    world.wait_until_idle(timeout=180)
    assert is_out(world, person)
    assert has_all(world, other)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say WHO, or --from people.csv"),
        (("ada@example.com", "--from", "people.csv"), "say WHO, or --from people.csv"),
        (("--from", "people.csv", "--wait"), "not with --from"),
        (("--from", "people.csv", "--identity", "zoom:id=1"), "not with --from"),
    ],
)
def test_one_person_or_a_list(world: Operated, arguments: tuple[str, ...], said: str) -> None:
    result = world.leaver("offboard", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.split())
