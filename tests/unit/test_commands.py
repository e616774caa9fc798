"""What a command's fields may be, and what is said of one that may not."""

from typing import Any

import pytest

from leaver.errors import BadMessage
from leaver.messages.commands import (
    Command,
    DeactivateUser,
    PurgeUserTokens,
    RefreshAccessToken,
    RetrieveUserToken,
    RevokeAccessToken,
    RevokeGrants,
    RevokeSsoToken,
    parse,
)

SSO = {"user_id": "john.doe@example.com"}
EXPECTED_OF_A_USER_ID = "user_id: expected a Zoom user id or an e-mail address"
#: what stands in the bad field, and must not stand in the reason
CANARY = "canary-7f3a91"


def reason(model: type[Command], detail: dict[str, Any], *, direct: bool = False) -> str:
    with pytest.raises(BadMessage) as refused:
        parse(model, detail, direct=direct)
    assert CANARY not in refused.value.reason
    assert refused.value.__cause__ is None
    return refused.value.reason


def test_defaults_are_those_of_the_contract() -> None:
    command = parse(RetrieveUserToken, SSO, direct=False)
    assert (command.type, command.ttl, command.meeting_id, command.connection) == ("zak", None, None, None)
    assert (command.case_id, command.urgency, command.requested_at) == (None, "routine", None)
    assert parse(RevokeGrants, {"identity": "john"}, direct=False).connection is None


@pytest.mark.parametrize(
    "user_id",
    [
        "o'brien+test@example.com",
        "KDcuGIm1QgePTO8WbOqwIQ",
        "-starts-with-a-hyphen",
        "_x",
        "a" * 254,
        "me2",
        "...",
        "{odd}|~^*&",
    ],
)
def test_every_id_that_a_person_may_have_passes(user_id: str) -> None:
    assert parse(RevokeSsoToken, {"user_id": user_id}, direct=False).user_id == user_id


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "   ",
        ".",
        "..",
        "../" + CANARY,
        CANARY + "/token",
        "a\\b",
        CANARY + "\n" + CANARY,
        CANARY + "\x00",
        CANARY + "\x7f",
        CANARY + "\x85x",
        CANARY + "%2Ftoken",
        CANARY + "?action=delete",
        CANARY + " x",
        "a" * 255,
        "jürgen@example.com",
    ],
)
def test_an_id_that_could_make_another_path_is_refused_by_name(user_id: str) -> None:
    assert reason(RevokeSsoToken, {"user_id": user_id}) == EXPECTED_OF_A_USER_ID


@pytest.mark.parametrize("command", [RevokeSsoToken, RetrieveUserToken, PurgeUserTokens, DeactivateUser])
@pytest.mark.parametrize("me", ["me", "ME", " me "])
def test_me_is_nobody_in_every_command(command: type[Command], me: str) -> None:
    assert reason(command, {"user_id": me}) == "user_id: expected an id or an e-mail address; me is whoever consented"


def test_white_space_around_a_text_is_dropped() -> None:
    assert parse(RevokeSsoToken, {"user_id": "  john@example.com\n"}, direct=False).user_id == "john@example.com"


def test_an_unknown_field_is_called_that_and_not_by_its_name() -> None:
    assert reason(RevokeSsoToken, SSO | {CANARY: CANARY}) == (
        "unknown field (allowed: account, alias, case_id, connection, email, requested_at, urgency, user_id)"
    )


def test_a_missing_field_is_named() -> None:
    assert reason(RevokeSsoToken, {}) == "user_id: is missing"


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = {"user_id": f"/{CANARY}", "connection": CANARY.upper(), "urgency": CANARY, "case_id": f"{CANARY} x"}
    assert reason(RevokeSsoToken, wrong) == (
        "connection: expected up to 32 lower-case letters, digits and hyphens, a letter first; "
        "case_id: expected up to 128 letters, digits and _ . : -; "
        "urgency: Input should be 'urgent' or 'routine'; "
        f"{EXPECTED_OF_A_USER_ID}"
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("user_id", 7, "user_id: Input should be a valid string"),
        ("user_id", None, "user_id: Input should be a valid string"),
        ("user_id", [CANARY], "user_id: Input should be a valid string"),
        ("user_id", {CANARY: CANARY}, "user_id: Input should be a valid string"),
        ("ttl", "3600", "ttl: Input should be a valid integer"),
        ("ttl", 3600.0, "ttl: Input should be a valid integer"),
        ("ttl", True, "ttl: Input should be a valid integer"),
        ("ttl", float("nan"), "ttl: Input should be a valid integer"),
        ("ttl", 68423085, "ttl: Input should be less than or equal to 31536000"),
        ("ttl", 31_536_001, "ttl: Input should be less than or equal to 31536000"),
        ("ttl", 0, "ttl: Input should be greater than or equal to 1"),
        ("ttl", -1, "ttl: Input should be greater than or equal to 1"),
        ("type", CANARY, "type: Input should be 'zak', 'token' or 'onbehalf'"),
        ("connection", "-zoom", "connection: expected up to 32 lower-case letters, digits and hyphens, a letter first"),
        (
            "connection",
            "z" * 33,
            "connection: expected up to 32 lower-case letters, digits and hyphens, a letter first",
        ),
        ("requested_at", CANARY, "requested_at: Input should be a valid datetime, invalid character in year"),
        ("requested_at", 1795163400, "requested_at: Input should be a valid datetime"),
        ("requested_at", "2026-11-22T09:30:00", "requested_at: Input should have timezone info"),
        ("requested_at", "0001-01-01T00:00:00+14:00", "requested_at: expected a time that can be told in UTC"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(field: str, value: Any, expected: str) -> None:
    assert reason(RetrieveUserToken, SSO | {field: value}) == expected


@pytest.mark.parametrize("ttl", [1, 7200, 31_536_000])
def test_a_ttl_within_zooms_limits_passes(ttl: int) -> None:
    assert parse(RetrieveUserToken, SSO | {"ttl": ttl}, direct=False).ttl == ttl


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"type": "token", "ttl": 60}, "ttl: expected only with type zak or onbehalf"),
        ({"type": "onbehalf"}, "meeting_id: expected with type onbehalf, and only then"),
        ({"type": "zak", "meeting_id": "123"}, "meeting_id: expected with type onbehalf, and only then"),
        ({"type": "onbehalf", "meeting_id": f"{CANARY}"}, "meeting_id: expected a meeting number, as a string"),
    ],
)
def test_what_does_not_go_together_is_refused(detail: dict[str, Any], expected: str) -> None:
    assert reason(RetrieveUserToken, SSO | detail) == expected


def test_a_meeting_goes_with_onbehalf() -> None:
    detail = SSO | {"type": "onbehalf", "meeting_id": "85746065", "ttl": 60}
    assert parse(RetrieveUserToken, detail, direct=False).meeting_id == "85746065"


@pytest.mark.parametrize(
    "targets",
    [
        {},
        {"grantee_prefixed_universal": f"local:{{{CANARY}}}", "application_id": CANARY},
        {"grantee_prefixed_universal": f"local:{{{CANARY}}}", "identity": CANARY},
        {"identity": CANARY, "application_id": CANARY, "confirm": "every user of this application"},
    ],
)
@pytest.mark.parametrize("direct", [True, False])
def test_grants_are_revoked_for_exactly_one_target(targets: dict[str, str], *, direct: bool) -> None:
    assert reason(RevokeGrants, targets, direct=direct) == (
        "expected exactly one of grantee_prefixed_universal, identity, application_id"
    )


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(("field", "value"), [("found_by", "address"), ("account", "acme"), ("alias", 2)])
def test_what_only_leaver_knows_of_a_case_is_refused_in_a_command_by_hand(
    field: str, value: Any, *, direct: bool
) -> None:
    of_ada = {"identity": "ada@example.com", "email": "ada@example.com"}
    assert parse(RevokeGrants, of_ada, direct=direct).email == "ada@example.com"
    assert reason(RevokeGrants, of_ada | {field: value}, direct=direct) == f"{field}: expected only with case_id"
    of_a_case = {"case_id": "case-1", "account": "acme", field: value}
    assert getattr(parse(RevokeGrants, of_ada | of_a_case, direct=direct), field) == value


@pytest.mark.parametrize("detail", [{"identity": "a\x00b"}, {"identity": "a\x9bb"}, {"identity": ""}])
def test_an_identity_holds_no_control_characters(detail: dict[str, str]) -> None:
    assert reason(RevokeGrants, detail) == "identity: expected up to 256 characters, none of them a control character"


def test_a_prefixed_universal_is_taken_verbatim() -> None:
    grantee = "AD+corp:{bdbb525f-2d77-43af-8f1f-39F1BA132825}"
    command = parse(RevokeGrants, {"grantee_prefixed_universal": grantee}, direct=False)
    assert (command.grantee_prefixed_universal, command.subject) == (grantee, grantee)


CONFIRMED = {"application_id": "vault", "confirm": "every user of this application"}


def test_a_whole_application_is_never_revoked_by_an_event() -> None:
    assert reason(RevokeGrants, CONFIRMED, direct=False) == (
        "application_id: expected only in a message sent straight to the queue"
    )


def test_a_whole_application_is_revoked_by_a_confirmed_direct_message() -> None:
    assert parse(RevokeGrants, CONFIRMED, direct=True).application_id == "vault"


@pytest.mark.parametrize("confirm", [{}, {"confirm": CANARY}, {"confirm": "Every user of this application"}])
def test_a_whole_application_wants_the_exact_words(confirm: dict[str, str]) -> None:
    assert reason(RevokeGrants, {"application_id": "vault", **confirm}, direct=True) == (
        'confirm: expected the words "every user of this application"'
    )


def test_a_confirmation_without_an_application_is_a_misunderstanding() -> None:
    detail = {"identity": "john", "confirm": "every user of this application"}
    assert reason(RevokeGrants, detail, direct=True) == "confirm: expected only with application_id"


@pytest.mark.parametrize("model", [RefreshAccessToken, RevokeAccessToken])
def test_what_is_done_to_a_connection_names_it(model: type[Command]) -> None:
    assert reason(model, {}) == "connection: is missing"
    assert parse(model, {"connection": "zoom-eu"}, direct=False).subject == "zoom-eu"


@pytest.mark.parametrize("grant", [{"owner": CANARY}, {"granted_at": CANARY}, {"owner_id": CANARY}])
def test_nobody_but_a_case_says_which_grant_of_a_connection_is_meant(grant: dict[str, str]) -> None:
    assert reason(RevokeAccessToken, {"connection": "zoom", **grant}) == (
        "owner, granted_at, owner_id: expected only with case_id"
    )


def test_a_failed_version_is_a_version_id() -> None:
    assert reason(RefreshAccessToken, {"connection": "zoom", "failed_version": CANARY}) == (
        "failed_version: expected a secret's version id"
    )


@pytest.mark.parametrize("text", [{"user_id": "\ud800" + CANARY}, {"user_id": [[[[CANARY]]]] * 300}])
def test_text_that_is_no_unicode_is_refused(text: dict[str, Any]) -> None:
    reason(RevokeSsoToken, text)


def test_nesting_without_end_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    assert reason(RevokeSsoToken, {"user_id": deep}).startswith("Invalid JSON: recursion limit exceeded")


def test_a_command_can_not_be_changed_after_it_was_read() -> None:
    command = parse(RevokeSsoToken, SSO, direct=False)
    with pytest.raises(ValueError, match="frozen"):
        command.user_id = "somebody.else@example.com"  # type: ignore[misc]  # that is the point
