"""The commands that Leaver carries out: one frozen model per command, named as its EventBridge detail-type."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from leaver.errors import BadMessage, explain

#: Zoom's ceiling for a ZAK's life, in seconds: one year (the Postman example's 68423085 is above it)
MAX_TTL = 31_536_000
#: what may follow /users/ in a Zoom path; a wrong path can delete the user, so this is an allow-list. Quotes and
#: braces belong to it: O'Brien must be able to leave
USER_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.+@=!#$&'*^{|}~-]{1,254}")


@dataclass(frozen=True)
class _Expected(AfterValidator):
    """A check whose words stand in the JSON Schema."""

    words: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The words beside the type: a pattern of Python's is none of JSON Schema's."""
        return {**handler(schema), "x-expected": self.words}


def _matching(pattern: str | re.Pattern[str], expected: str) -> AfterValidator:
    """Hold a text to a pattern; the error says what was expected, in words and not as a regular expression."""
    whole: Callable[[str], re.Match[str] | None] = re.compile(pattern).fullmatch

    def check(text: str) -> str:
        if whole(text) is None:
            raise ValueError(f"expected {expected}")
        return text

    return _Expected(check, expected)


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a time that can be told in UTC") from None


def _refuse_me(user_id: str) -> str:
    # Zoom's word for whoever consented: an administrator, whose access nobody meant to end.
    if user_id.casefold() == "me":
        raise ValueError("expected an id or an e-mail address; me is whoever consented")
    return user_id


Moment = Annotated[AwareDatetime, AfterValidator(_to_utc)]
UserId = Annotated[str, _matching(USER_ID, "a Zoom user id or an e-mail address"), AfterValidator(_refuse_me)]
ConnectionName = Annotated[
    str, _matching(r"[a-z][a-z0-9-]{0,31}", "up to 32 lower-case letters, digits and hyphens, a letter first")
]
#: `#` stands between the parts of a step's name
AccountName = Annotated[str, _matching(r"[^#]*", "an account without #")]
ProviderName = Annotated[str, _matching(r"[a-z][a-z0-9-]{0,31}", "a provider's name in the registry")]
GrantType = Annotated[str, _matching(r"[a-z_]{1,40}", "a grant type, in small letters")]
#: Zoom's kinds of user token
UserTokenType = Literal["zak", "token", "onbehalf"]
#: a run of reconciliation: a part of a key in the bucket of evidence
RunId = Annotated[str, _matching(r"[A-Za-z0-9_.:-]{1,120}", "up to 120 letters, digits and _ . : -")]
CaseId = Annotated[str, _matching(r"[A-Za-z0-9_.:-]{1,128}", "up to 128 letters, digits and _ . : -")]
Printable = Annotated[
    str, _matching(r"[^\x00-\x1f\x7f-\x9f]{1,256}", "up to 256 characters, none of them a control character")
]
Email = Annotated[
    str, _matching(r"[^@\s\x00-\x1f\x7f-\x9f/]{1,128}@[^@\s\x00-\x1f\x7f-\x9f/]{1,125}", "an e-mail address")
]


def step_name(command: str, at: str | None, alias: int | None) -> str:
    """The name of a case's step; its receipt has it for a sort key, and the seal goes by it."""
    return f"{command}#{at}" if alias is None else f"{command}#{at}#{alias}"


class Command(BaseModel):
    """What every command may carry: the case it belongs to, its urgency and the time of the HR event behind it."""

    # Built at first use: a function reads one of them. Its consumer builds that one in init.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        str_strip_whitespace=True,
        hide_input_in_errors=True,
        defer_build=True,
    )
    #: whose access it is about: "zoom" or "venafi", or the connection's own provider
    system: ClassVar[str]
    #: the announcement of its success, and of everything else that came of it
    announced_as: ClassVar[str]
    failure_announced_as: ClassVar[str] = "RevocationFailed"
    #: at whom it ends a person's access: such a step of a case is one account's, and not one connection's
    provider: ClassVar[str | None] = None
    #: how many calls of a provider's limited API it takes at most, but for repetitions
    calls: ClassVar[int] = 0
    #: whether it is carried out although its case was called off
    outlasts_case: ClassVar[bool] = False
    #: what its function counts where somebody asks what it would find, in the singular; None: it can't be asked
    counts: ClassVar[str | None] = None

    #: left out, of a command on a person: the provider's only service connection
    connection: ConnectionName | None = None
    #: of a case's step
    case_id: CaseId | None = None
    #: of a case's step: the provider's name for whose account its connection has to be
    account: Printable | None = None
    #: of a case's step: which of the person's names at that account it is about, or which grant of that connection,
    #: where that is not the first
    alias: Annotated[int, Field(ge=2)] | None = None
    urgency: Literal["urgent", "routine"] = "routine"
    #: when the HR event behind it happened
    requested_at: Moment | None = None

    @model_validator(mode="after")
    def _check_account(self) -> Self:
        if self.account is not None and self.case_id is None:
            raise ValueError("account: expected only with case_id")
        if self.alias is not None and self.case_id is None:
            raise ValueError("alias: expected only with case_id")
        return self

    @property
    def step_name(self) -> str:
        """The name of the step that it carries out in its case."""
        at = self.connection if self.account is None else f"{self.provider}/{self.account}"
        return step_name(type(self).__name__, at, self.alias)

    @property
    def subject(self) -> str:
        """Whose access, or which connection: the provider's own name for it."""
        return self.connection or "unknown"

    @property
    def person(self) -> str:
        """The name under which the ceiling counts whoever loses access by it."""
        return self.subject

    @property
    def needed_calls(self) -> int:
        """How many of these calls this very command takes."""
        return self.calls


class RetrieveUserToken(Command):
    """Get a user's Zoom token and leave it in the secret store (Zoom API, "Get a user token")."""

    system = "zoom"
    announced_as = "UserTokenRetrieved"
    failure_announced_as = "RetrievalFailed"
    calls = 2

    user_id: UserId
    type: UserTokenType = "zak"
    ttl: Annotated[int, Field(ge=1, le=MAX_TTL)] | None = None
    meeting_id: Annotated[str, _matching(r"[0-9]{1,20}", "a meeting number, as a string")] | None = None

    @model_validator(mode="after")
    def _check_ttl_and_meeting(self) -> Self:
        if self.ttl is not None and self.type == "token":
            raise ValueError("ttl: expected only with type zak or onbehalf")
        if (self.meeting_id is not None) != (self.type == "onbehalf"):
            raise ValueError("meeting_id: expected with type onbehalf, and only then")
        return self

    @property
    def subject(self) -> str:
        """The Zoom user."""
        return self.user_id


class RefreshAccessToken(Command):
    """Refresh one connection's tokens and keep the rotated pair (RFC 6749, section 6)."""

    system = "connection"
    announced_as = "AccessTokenRefreshed"
    failure_announced_as = "RefreshFailed"

    connection: ConnectionName
    #: the version of the tokens that a reader saw refused
    failed_version: Annotated[str, _matching(r"[A-Za-z0-9-]{32,64}", "a secret's version id")] | None = None
    #: only `revoke_access_token` asks for this: refresh, revoke the new pair, retire the connection
    for_revocation: bool = False
    #: only people ask for this: refresh although nothing is due
    force: bool = False


class RevokeAccessToken(Command):
    """Revoke a connection's OAuth tokens at the provider and retire the connection (RFC 7009)."""

    system = "connection"
    announced_as = "AccessTokenRevoked"
    #: what somebody has to type before Leaver loses a connection that it works through itself
    CONFIRMATION: ClassVar[str] = "Leaver works through this connection"

    connection: ConnectionName
    confirm: Annotated[str, _matching(re.escape(CONFIRMATION), f'the words "{CONFIRMATION}"')] | None = None
    #: of a case's step: whose grant is meant (also by the provider's own id), and since when it was there; a name may
    #: have another's by now
    owner: str | None = None
    granted_at: str | None = None
    owner_id: str | None = None

    @model_validator(mode="after")
    def _check_grant(self) -> Self:
        if self.case_id is None and self.grant:
            raise ValueError("owner, granted_at, owner_id: expected only with case_id")
        return self

    @property
    def grant(self) -> dict[str, str]:
        """Which grant is meant, as Connection.grant has it; empty: whichever there is."""
        return self.model_dump(include={"owner", "granted_at", "owner_id"}, exclude_none=True)


class RevokeSsoToken(Command):
    """End a user's Zoom session (Zoom API, "Revoke a user's SSO token")."""

    system = "zoom"
    provider = "zoom"
    announced_as = "SsoTokenRevoked"
    calls = 1

    user_id: UserId
    #: the address as HR gave it: then the receipt says how Zoom names the person, or that the address is another's now
    email: Email | None = None

    @property
    def subject(self) -> str:
        """The Zoom user."""
        return self.user_id

    @property
    def needed_calls(self) -> int:
        """One more, where Zoom is asked who that is."""
        return self.calls if self.email is None else self.calls + 1


class PurgeUserTokens(Command):
    """Destroy the tokens of a user that Leaver keeps: our copies, for good. It says nothing about the provider."""

    system = "leaver"
    provider = "zoom"
    announced_as = "UserTokensPurged"
    calls = 1
    counts = "kept token"

    user_id: UserId
    #: the address as HR gave it: tokens may have been fetched for it at another account, or before Zoom forgot it
    email: Email | None = None

    @property
    def subject(self) -> str:
        """The Zoom user."""
        return self.user_id

    @property
    def person(self) -> str:
        """The address where it is known: so the purge beside a case counts nobody twice."""
        return self.email or self.user_id

    @property
    def needed_calls(self) -> int:
        """One, where Zoom is asked whose e-mail address it is; under Zoom's own id our copies are found without."""
        return self.calls if self.names_somebody else 0

    @property
    def names_somebody(self) -> bool:
        """Whether the user is given otherwise than by Zoom's own id."""
        return "@" in self.user_id


class DeactivateUser(Command):
    """Deactivate a user's Zoom account, and end the session once more (Zoom API, "Update user status")."""

    system = "zoom"
    provider = "zoom"
    announced_as = "UserDeactivated"
    calls = 3

    user_id: UserId
    #: the address as HR gave it: then the receipt says where the id is nobody's, and the address another's now
    email: Email | None = None

    @property
    def subject(self) -> str:
        """The Zoom user."""
        return self.user_id


class RevokeGrants(Command):
    """Revoke every Venafi grant of an identity, or of all users of an application (POST OAuth/RevokeGrants)."""

    system = "venafi"
    provider = "venafi"
    announced_as = "GrantsRevoked"
    calls = 6
    counts = "grant"
    #: what somebody has to type before every user of an application loses access
    CONFIRMATION: ClassVar[str] = "every user of this application"

    grantee_prefixed_universal: Printable | None = None
    identity: Printable | None = None
    application_id: Printable | None = None
    #: the address as HR gave it beside an identity: where that is nobody's, nothing may live under the address either
    email: Email | None = None
    #: of a repeat: how Venafi had found that identity, which was proved to be the leaver's then
    found_by: Literal["address", "local_part", "application", "prefixed_universal", "name"] | None = None
    confirm: str | None = None

    @model_validator(mode="after")
    def _check_target(self, info: ValidationInfo) -> Self:
        targets = (self.grantee_prefixed_universal, self.identity, self.application_id)
        if sum(target is not None for target in targets) != 1:
            raise ValueError("expected exactly one of grantee_prefixed_universal, identity, application_id")
        if self.application_id is not None and self.email is not None:
            raise ValueError("email: expected only with an identity")
        if self.found_by is not None and self.case_id is None:
            raise ValueError("found_by: expected only with case_id")
        if self.application_id is None:
            if self.confirm is not None:
                raise ValueError("confirm: expected only with application_id")
            return self
        if not (info.context or {}).get("direct", False):
            raise ValueError("application_id: expected only in a message sent straight to the queue")
        if self.confirm != self.CONFIRMATION:
            raise ValueError(f'confirm: expected the words "{self.CONFIRMATION}"')
        return self

    @property
    def subject(self) -> str:
        """The identity or application, as given."""
        return self.grantee_prefixed_universal or self.identity or self.application_id or ""

    @property
    def person(self) -> str:
        """The address where it is known, as a purge has it."""
        return self.email or self.subject

    @property
    def is_believed(self) -> bool:
        """Whether that identity is the leaver, whoever has the address by now: it was found before."""
        return self.found_by is not None

    @property
    def is_added(self) -> bool:
        """Whether a later event gave that identity beside the address: it has to be proved to be the leaver's."""
        return self.alias is not None and self.email is not None and not self.is_believed

    @property
    def needed_calls(self) -> int:
        """As many again, where it is asked whose the address is, and what lives there."""
        return self.calls if self.email is None else 2 * self.calls


AnyCommand = TypeVar("AnyCommand", bound=BaseModel)


def parse(model: type[AnyCommand], detail: Mapping[str, Any], *, direct: bool) -> AnyCommand:
    """Read a command's fields; `direct`: the message came straight to the queue and not from a rule.

    Raises BadMessage with every wrong field and what was expected of it.
    """
    try:
        # As JSON, because only there does strict typing take a date for what it is: a string.
        return model.model_validate_json(json.dumps(detail), context={"direct": direct})
    except ValidationError as error:
        raise BadMessage(explain(error, model)) from None
