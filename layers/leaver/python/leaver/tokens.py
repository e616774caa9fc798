"""The secrets that Leaver holds, none of which shows its face when printed."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, SecretStr

_SECRET = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

#: what both providers' access tokens live at least by default; too short is a refresh too early, which does no harm
ASSUMED_LIFETIME: Final = timedelta(hours=1)
_TEN_YEARS: Final = 315_360_000


def _stripped(secret: SecretStr) -> SecretStr:
    """Drop surrounding white space: a stored trailing newline comes back from Zoom as `invalid_client`."""
    bare = secret.get_secret_value().strip()
    if not bare:
        raise ValueError("is empty")
    return SecretStr(bare)


def _filled(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text


Secret = Annotated[SecretStr, AfterValidator(_stripped)]
Filled = Annotated[str, AfterValidator(_filled)]


class TokenSet(BaseModel):
    """The JSON of secret `<prefix>/tokens/<provider>/<connection>`, by the refresher: what the provider granted."""

    model_config = _SECRET

    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: AwareDatetime
    scope: str = ""
    #: their answer was damaged, and may have held a refresh token that nobody has
    is_partial: bool = False

    def without_refresh_token(self) -> Self:
        """The same, for what begins anew."""
        return self.model_copy(update={"refresh_token": None})


class GrantedTokens(BaseModel):
    """What a token endpoint just answered: stored nowhere yet, and therefore the most precious thing there is."""

    model_config = _SECRET

    #: empty where only a refresh token could be read, which renews the one that it replaces
    access_token: SecretStr
    #: absent: the provider did not rotate and the old one stays good (RFC 6749, section 6)
    refresh_token: SecretStr | None = None
    #: when the access token dies (aware, UTC); assumed where the answer does not say
    expires_at: datetime
    scope: str = ""
    tracking_id: str | None = None
    #: the answer was damaged: it may have held more than could be read
    is_damaged: bool = False

    @classmethod
    def from_answer(
        cls,
        body: Mapping[str, Any] | None,
        *,
        asked_at: datetime,
        tracking_id: str | None,
        search: Callable[[], Mapping[str, Any]] = dict,
    ) -> Self | None:
        """Read a token endpoint's answer (RFC 6749, section 5.1); None where no token is in it, and only then.

        Nothing else may fail here: an answer that is thrown away for a crooked `expires_in` takes the new refresh token
        with it. Without an access token in `body`, what `search` finds is read beside it. The lifetime counts from
        `asked_at`, before the provider's own count, and is ASSUMED_LIFETIME where `expires_in` is absent, no number, or
        no time from a second to ten years.
        """
        body = body or {}
        is_damaged = _token(body.get("access_token")) is None
        if is_damaged:
            body = {**search(), **body}
        access_token, refresh_token = _token(body.get("access_token")), _token(body.get("refresh_token"))
        if access_token is None and refresh_token is None:
            return None
        # ASCII by RFC 6749, section 3.3; an unpaired surrogate would make pydantic refuse the whole answer
        scope = body.get("scope")
        return cls(
            access_token=access_token or SecretStr(""),
            refresh_token=refresh_token,
            expires_at=asked_at + (_lifetime(body.get("expires_in")) if access_token else timedelta(0)),
            scope=scope if isinstance(scope, str) and scope.isascii() else "",
            tracking_id=tracking_id,
            is_damaged=is_damaged,
        )

    @property
    def has_access_token(self) -> bool:
        """Whether the access token could be read."""
        return bool(self.access_token.get_secret_value())

    @property
    def is_partial(self) -> bool:
        """Whether it may have held a refresh token that could not be read, and that nobody has."""
        return self.is_damaged and self.refresh_token is None

    def as_token_set(self, replaced: TokenSet | None = None) -> TokenSet:
        """What is stored of an answer: what it does not repeat stays as it was in `replaced`."""
        return TokenSet(
            access_token=self.access_token if self.has_access_token or not replaced else replaced.access_token,
            refresh_token=self.refresh_token or (replaced and replaced.refresh_token),
            expires_at=self.expires_at,
            scope=self.scope or (replaced.scope if replaced else ""),
            is_partial=self.is_partial,
        )


def _token(value: object) -> SecretStr | None:
    return SecretStr(value.strip()) if isinstance(value, str) and value.strip() else None


def _lifetime(expires_in: object) -> timedelta:
    try:
        seconds = int(expires_in) if isinstance(expires_in, str | int | float) else 0
    except (ValueError, OverflowError):
        return ASSUMED_LIFETIME
    return timedelta(seconds=seconds) if 0 < seconds <= _TEN_YEARS else ASSUMED_LIFETIME


class AppCredentials(BaseModel):
    """The JSON of secret `<prefix>/credentials/<provider>/<connection>`: an app; each provider adds its own."""

    model_config = _SECRET

    client_id: Filled


class KeptUserToken(BaseModel):
    """The JSON of secret `<prefix>/user-tokens/<zoom id>/<connection>/<type>`: a user's token, and when it dies."""

    model_config = _SECRET

    token: SecretStr
    expires_at: AwareDatetime
    #: Zoom's answer has no expiry: true where it follows from Zoom's defaults and not from a `ttl` that we asked for
    expires_at_assumed: bool
