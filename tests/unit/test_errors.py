"""What an error tells, and how a wrong field is explained."""

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError

from leaver import errors
from leaver.errors import (
    AnswerLost,
    InvalidClient,
    InvalidGrant,
    LeaverError,
    NotSent,
    ProviderResponse,
    Rejected,
    explain,
)

CANARY = "canary-1b7d22"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    number: int


def _never(_: SecretStr) -> SecretStr:
    raise ValueError("expected something else")


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    inner: Inner | None = None
    secret: Annotated[SecretStr, AfterValidator(_never)] | None = None
    several: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = {}


def explained(detail: object) -> str:
    with pytest.raises(ValidationError) as refused:
        Outer.model_validate(detail)
    said = explain(refused.value, Outer)
    assert CANARY not in said
    return said


def test_a_field_inside_another_is_named_by_its_path() -> None:
    assert explained({"inner": {"number": CANARY}}) == (
        "inner.number: Input should be a valid integer, unable to parse string as an integer"
    )


def test_an_unknown_field_inside_another_is_told_with_what_is_allowed_there() -> None:
    assert explained({"inner": {"number": 1, CANARY: 1}}) == "inner: unknown field (allowed: number)"


def test_an_unknown_field_is_told_with_what_is_allowed() -> None:
    assert explained({CANARY: CANARY}) == "unknown field (allowed: by_name, inner, secret, several)"


def test_an_unknown_field_in_a_list_is_told_with_its_place() -> None:
    assert explained({"several": [{"number": 1, CANARY: 1}]}) == "several.0: unknown field (allowed: number)"


def test_a_key_is_not_told_for_it_came_from_outside() -> None:
    assert explained({"by_name": {CANARY: {}}}) == "by_name.*.number: is missing"
    assert explained({"by_name": {CANARY: {"number": 1, CANARY: 1}}}) == "by_name.*: unknown field (allowed: number)"


def test_a_validators_own_sentence_is_kept() -> None:
    assert explained({"secret": CANARY}) == "secret: expected something else"


def test_several_wrong_fields_are_told_in_one_sentence() -> None:
    assert explained({"inner": {}, "secret": CANARY}) == "inner.number: is missing; secret: expected something else"


def test_an_error_tells_its_reason_and_the_providers_word() -> None:
    error = Rejected("missing scopes", ProviderResponse(400, "4711", "v=2.0"))
    assert str(error) == "missing scopes"
    assert error.reason == "missing scopes"
    assert error.response == ProviderResponse(400, "4711", "v=2.0")
    assert str(error.response) == "HTTP 400, code 4711, tracking id v=2.0"


@pytest.mark.parametrize(
    ("kind", "decided_as"),
    [
        (NotSent, errors.ProviderUnavailable),
        (AnswerLost, errors.ProviderUnavailable),
        (InvalidGrant, errors.NeedsReauthorization),
        (errors.GrantSuspended, InvalidGrant),
        (InvalidClient, errors.Rejected),
        (errors.Undelivered, LeaverError),
    ],
)
def test_an_error_is_decided_as_its_kind(kind: type[LeaverError], decided_as: type[LeaverError]) -> None:
    assert issubclass(kind, decided_as)
