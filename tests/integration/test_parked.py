"""`leaver parked` on moto."""

from collections.abc import Iterator

import pytest

from tests.integration.parked_stack import NOT_DELIVERED, World, leaver, world_on_moto


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_on_moto(monkeypatch) as world:
        yield world


def rows(output: str) -> list[list[str]]:
    """The cells of the lines of a table."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if "│" in line]


def test_counts_what_is_parked_with_each_function(world: World) -> None:
    world.park()
    world.park(function="revoke-grants")
    world.park(function="revoke-grants")
    world.park(function="refresh-access-token", group="zoom")
    world.put("leaver-unrouted", {"detail-type": "RevokeEverything"})
    world.put("leaver-unrouted-dead-letters", {"detail-type": "RevokeEverything"}, NOT_DELIVERED)
    result = leaver("parked")
    assert result.exit_code == 0
    assert rows(result.output) == [
        ["retrieve_user_token", "0"],
        ["refresh_access_token", "1"],
        ["revoke_access_token", "0"],
        ["revoke_sso_token", "1"],
        ["revoke_grants", "2"],
        ["purge_user_tokens", "0"],
        ["deactivate_user", "0"],
        ["schedule_refreshes", "0"],
        ["start_offboarding", "0"],
        ["look_up_person", "0"],
        ["seal_case", "0"],
        ["watch_deadlines", "0"],
        ["notify_people", "0"],
        ["unrouted", "2"],
    ]


def test_lists_the_messages_of_one_function_with_error_reason_queue_and_since_when(world: World) -> None:
    world.park()
    result = leaver("parked", "revoke_sso_token")
    assert result.exit_code == 0
    assert rows(result.output) == [
        ["first-id", "Rejected", "Zoom 4711: missing scope"],
        ["2026-11-20T08:30:00Z", "", "leaver-revoke-sso-token"],
    ]
    assert "1 parked in leaver-revoke-sso-token-dead-letters" in result.output


def test_tells_crashed_and_undelivered_messages_from_parked_ones(world: World) -> None:
    crashed = world.put("leaver-revoke-sso-token-dead-letters", {"user_id": "ada@example.com"})
    undelivered = world.put(
        "leaver-revoke-sso-token-dead-letters", {"detail-type": "RevokeSsoToken", "detail": {}}, NOT_DELIVERED
    )
    told = {cells[0]: cells[1:] for cells in rows(leaver("parked", "revoke_sso_token").output)}
    assert told[crashed] == ["crashed", "the function ended without a decision, again and again: its log tells"]
    assert told[undelivered] == ["undelivered", "EventBridge: NO_PERMISSIONS The queue policy does not allow it"]


def test_lists_unrouted_events_and_those_that_did_not_even_get_there(world: World) -> None:
    world.put("leaver-unrouted", {"detail-type": "RevokeEverything", "detail": {"user_id": "ada@example.com"}})
    world.put("leaver-unrouted-dead-letters", {"detail-type": "RevokeEverything"}, NOT_DELIVERED)
    output = leaver("parked", "unrouted").output
    assert [cells[1] for cells in rows(output) if cells[1]] == ["unrouted", "undelivered"]
    assert "ada@example.com" not in output


def test_a_body_is_shown_only_when_asked_for(world: World) -> None:
    world.park('{"user_id": "ada@example.com"}')
    assert "ada@example.com" not in leaver("parked", "revoke_sso_token").output
    assert 'first-id {"user_id": "ada@example.com"}' in leaver("parked", "revoke_sso_token", "--show-body").output


def test_neither_a_body_nor_a_reason_is_taken_for_markup_or_terminal_control(world: World) -> None:
    world.park('[bold]"\x9b2J[/nonsense]', reason="[red]why\x9b2J[/nonsense]")
    output = leaver("parked", "revoke_sso_token", "--show-body").output
    assert 'first-id [bold]" 2J[/nonsense]' in output
    assert "[red]why 2J[/nonsense]" in output
    assert "\x9b" not in output + leaver("redrive", "revoke_sso_token", "--dry-run").output


@pytest.mark.parametrize(("function", "group"), [("revoke-sso-token", None), ("refresh-access-token", "zoom")])
def test_looking_hides_nothing_from_the_next_one_who_looks(world: World, function: str, group: str | None) -> None:
    for number in range(3):
        world.park(function=function, group=group, message_id=f"id-{number}")
    for _ in range(2):
        output = leaver("parked", function.replace("-", "_")).output
        assert "3 parked in" in output
        assert "could not be seen" not in output


def test_says_so_when_a_fifo_group_has_more_than_it_shows(world: World) -> None:
    for number in range(12):
        world.park(function="refresh-access-token", group="zoom", message_id=f"id-{number}")
    output = leaver("parked", "refresh_access_token").output
    assert "10 parked in leaver-refresh-access-token-dead-letters.fifo; about 2 more could not be seen" in output


def test_what_somebody_else_looks_at_is_counted(world: World) -> None:
    world.park()
    world.sqs.receive_message(QueueUrl=world.url("leaver-revoke-sso-token-dead-letters"), VisibilityTimeout=30)
    assert ["revoke_sso_token", "1"] in rows(leaver("parked").output)
    assert "about 1 more could not be seen" in leaver("parked", "revoke_sso_token").output


def test_an_empty_place_says_zero(world: World) -> None:  # noqa: ARG001 - the queues must be there
    result = leaver("parked", "revoke_grants")
    assert result.exit_code == 0
    assert "0 parked in leaver-revoke-grants-dead-letters" in result.output


def test_an_unknown_function_is_answered_with_the_known_ones() -> None:
    result = leaver("parked", "revoke_everything")
    assert result.exit_code == 2
    assert "revoke_sso_token" in result.output
    assert "start_offboarding" in result.output


def test_a_stack_that_is_not_there_is_told_with_the_queue_that_was_missed(world: World) -> None:  # noqa: ARG001
    result = leaver("parked", "revoke_grants", "--stack", "other")
    assert result.exit_code == 1
    assert "there is no queue other-revoke-grants-dead-letters in eu-central-1" in result.output


def test_the_stack_may_come_from_the_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setenv("LEAVER_STACK", "other")
    assert "no queue other-revoke-grants-dead-letters" in leaver("parked", "revoke_grants").output


def test_the_region_may_be_given(world: World) -> None:  # noqa: ARG001 - its queues are in another region
    assert "in us-east-1" in leaver("parked", "revoke_grants", "--region", "us-east-1").output


def test_without_credentials_it_says_how_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    result = leaver("parked", "revoke_grants")
    assert result.exit_code == 1
    assert result.output.strip() == "Error: no AWS credentials: use --profile, or sign in (aws sso login)"


def test_an_unknown_profile_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    result = leaver("parked", "revoke_grants", "--profile", "nobody")
    assert result.exit_code == 1
    assert "nobody" in result.output
    assert "Traceback" not in result.output
