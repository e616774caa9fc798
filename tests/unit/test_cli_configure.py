"""Which stack is meant: by an option, else by the environment, else by what `leaver configure` keeps."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from leaver_cli.main import app
from leaver_cli.stack import Profile, Region, StackName

#: none of these is set, whoever runs the tests
NOBODY_SAYS: dict[str, str | None] = dict.fromkeys(
    ("LEAVER_STACK", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID")
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "leaver" / "config.toml"


def leaver(*arguments: str, typed: str = "", **environ: str) -> Result:
    return CliRunner().invoke(app, list(arguments), input=typed, env={**NOBODY_SAYS, **environ})


def shown(**environ: str) -> dict[str, Any]:
    result = leaver("configure", "--show", "--json", **environ)
    assert result.exit_code == 0, result.output
    return {each["setting"]: (each["value"], each["from"]) for each in json.loads(result.stdout)["settings"]}


def meant(*arguments: str, **environ: str) -> list[str | None]:
    """What any command is given."""
    heard: list[str | None] = []
    probe = typer.Typer()

    @probe.command()
    def command(*, stack: StackName = "leaver", region: Region = None, profile: Profile = None) -> None:
        heard.extend([stack, region, profile])

    result = CliRunner().invoke(probe, list(arguments), env={**NOBODY_SAYS, **environ})
    assert result.exit_code == 0, result.output
    return heard


@pytest.mark.usefixtures("home")
def test_an_option_comes_before_the_environment_and_that_before_the_file() -> None:
    assert meant() == ["leaver", None, None]
    leaver("configure", "--stack", "filed", "--region", "eu-west-1", "--profile", "prod")
    assert meant() == ["filed", "eu-west-1", "prod"]
    says = {"LEAVER_STACK": "said", "AWS_DEFAULT_REGION": "eu-north-1", "AWS_PROFILE": "test"}
    assert meant(**says) == ["said", "eu-north-1", "test"]
    assert meant("--stack", "leaver", "--region", "us-east-1", "--profile", "p", **says) == ["leaver", "us-east-1", "p"]


@pytest.mark.usefixtures("home")
def test_credentials_in_the_environment_come_before_the_profile_of_the_file() -> None:
    leaver("configure", "--profile", "prod", "--region", "eu-west-1")
    assert meant(AWS_ACCESS_KEY_ID="AKIA") == ["leaver", "eu-west-1", None]
    assert shown(AWS_ACCESS_KEY_ID="AKIA")["profile"] == (None, "environment (AWS_ACCESS_KEY_ID)")


def test_what_holds_is_shown_with_who_says_so(home: Path) -> None:
    leaver("configure", "--stack", "filed", "--region", "eu-west-1")
    assert shown(LEAVER_STACK="said") == {
        "stack": ("said", "environment (LEAVER_STACK)"),
        "region": ("eu-west-1", str(home)),
        "profile": (None, "as the AWS CLI finds it"),
    }


def test_what_is_not_given_stays_and_what_is_empty_is_forgotten(home: Path) -> None:
    leaver("configure", "--stack", "filed", "--region", "eu-west-1")
    leaver("configure", "--region", "")
    assert home.read_text() == 'stack = "filed"\n'


def test_without_an_option_each_is_asked_for_and_what_was_kept_is_the_default(home: Path) -> None:
    assert leaver("configure", typed="filed\neu-west-1\n\n").exit_code == 0
    assert home.read_text() == 'stack = "filed"\nregion = "eu-west-1"\n'
    assert leaver("configure", typed="\n-\nprod\n").exit_code == 0
    assert home.read_text() == 'stack = "filed"\nprofile = "prod"\n'


def test_nothing_is_changed_by_looking(home: Path) -> None:
    assert leaver("configure", "--show").exit_code == 0
    assert not home.exists()
    assert leaver("configure", "--show", "--stack", "other").exit_code == 2


@pytest.mark.parametrize("text", ["stack = ", 'token = "x"', "region = 7", "\x00"])
def test_a_file_that_can_not_be_read_stops_a_command_in_a_sentence_that_names_it(home: Path, text: str) -> None:
    home.parent.mkdir()
    home.write_text(text)
    result = leaver("connections")
    assert result.exit_code == 1
    assert str(home) in result.output
    assert "Traceback" not in result.output
