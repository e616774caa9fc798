"""OAuth grants with rotating refresh tokens, as an authorisation server keeps them: tokens known by their digests."""

import base64
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

TokenKind = Literal["access", "refresh"]


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret in hex: how the simulators name a token without showing it."""
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenMint:
    """Makes tokens that nobody can guess and everybody can recognise in a log where they have no business."""

    def __init__(self, prefix: str, rng: random.Random) -> None:
        """Take what every token begins with, and the source of the rest (`random.Random(7)`: the same every time)."""
        self._prefix = prefix
        self._rng = rng

    def __call__(self, kind: str) -> str:
        """Make a new token; `kind` (letters) is readable in it."""
        return f"{self._prefix}{kind}-{base64.urlsafe_b64encode(self._rng.randbytes(30)).decode()}"


class Rotation(StrEnum):
    """What a provider does when a refresh token comes that was rotated already."""

    #: refuses it (Zoom, Venafi)
    STRICT = "strict"
    #: accepts it until its successor is used or `Grants.grace` is over; that successor is replaced and dies
    GRACE = "grace"
    #: takes it for theft and revokes the whole grant (RFC 9700, section 4.14.2)
    REUSE_DETECTING = "reuse-detecting"


class InvalidGrantError(Exception):
    """The refresh token is not one that works: unknown, rotated, revoked, expired, or another client's."""


@dataclass(frozen=True)
class AccessToken:
    """What an access token stands for."""

    issued_at: datetime
    expires_at: datetime
    scope: str


@dataclass(eq=False)
class Grant:
    """That a client may act for a subject. All tokens are digests."""

    client_id: str
    #: who granted it: a Zoom user's id (empty: the account itself), a Venafi PrefixedUniversal
    subject: str
    scope: str
    issued_at: datetime
    #: after this no refresh helps; None: never
    ends_at: datetime | None
    access_tokens: dict[str, AccessToken] = field(default_factory=dict)
    refresh_token: str | None = None
    refresh_expires_at: datetime | None = None
    #: the token rotated last, which a provider with grace accepts once more until `grace_until`
    superseded: str | None = None
    grace_until: datetime | None = None
    spent: set[str] = field(default_factory=set)

    def is_alive(self, now: datetime) -> bool:
        """Whether anything that was issued on this grant still works."""
        if self.ends_at is not None and self.ends_at <= now:
            return False
        return self.can_refresh(now) or any(token.expires_at > now for token in self.access_tokens.values())

    def can_refresh(self, now: datetime) -> bool:
        """Whether the current refresh token works."""
        return self.refresh_token is not None and (self.refresh_expires_at is None or self.refresh_expires_at > now)

    def in_grace(self, presented: str, now: datetime) -> bool:
        """Whether this is the token that was rotated last and that is accepted once more."""
        return self.superseded == presented and self.grace_until is not None and self.grace_until > now


@dataclass(frozen=True)
class Issued:
    """Tokens just minted, in the clear: seen once, by whoever asked."""

    grant: Grant
    access: AccessToken
    access_token: str = field(repr=False)
    #: None: the grant cannot be refreshed
    refresh_token: str | None = field(repr=False)

    def token_set(self) -> dict[str, object]:
        """Return the JSON that Leaver keeps in a `tokens` secret."""
        tokens: dict[str, object] = {"access_token": self.access_token}
        if self.refresh_token is not None:
            tokens["refresh_token"] = self.refresh_token
        return tokens | {"expires_at": self.access.expires_at.isoformat(), "scope": self.access.scope}


@dataclass
class Grants:
    """Every grant of one authorisation server. Not thread-safe: its owner holds the lock."""

    access_lifetime: timedelta
    #: of a refresh token, from the day it was minted; None: as long as the grant
    refresh_lifetime: timedelta | None
    #: of a grant; None: without end
    grant_lifetime: timedelta | None
    rotation: Rotation
    #: whether a refresh ends the access tokens minted before
    refresh_kills_access: bool
    grace: timedelta = timedelta(seconds=60)
    _by_token: dict[str, Grant] = field(default_factory=dict)
    _grants: list[Grant] = field(default_factory=list)

    def __iter__(self) -> Iterator[Grant]:
        return iter(list(self._grants))

    def authorize(
        self, client_id: str, subject: str, scope: str, *, now: datetime, mint: TokenMint, renewable: bool = True
    ) -> Issued:
        """Make a new grant with its first tokens; without a refresh token if it is not renewable."""
        ends_at = None if self.grant_lifetime is None else now + self.grant_lifetime
        grant = Grant(client_id=client_id, subject=subject, scope=scope, issued_at=now, ends_at=ends_at)
        self._grants.append(grant)
        return self._issue(grant, now=now, mint=mint, renewable=renewable)

    def refresh(self, refresh_token: str, client_id: str, *, now: datetime, mint: TokenMint) -> Issued:
        """Rotate: the refresh token is spent, a new pair takes its place. Raise InvalidGrantError."""
        presented = digest(refresh_token)
        grant = self._by_token.get(presented)
        if grant is None or grant.client_id != client_id:
            raise InvalidGrantError
        if presented == grant.refresh_token and grant.can_refresh(now) and grant.is_alive(now):
            if self.rotation is Rotation.GRACE:
                grant.superseded, grant.grace_until = presented, now + self.grace
        elif not grant.in_grace(presented, now):
            if self.rotation is Rotation.REUSE_DETECTING and presented in grant.spent:
                self.revoke(grant)
            raise InvalidGrantError
        return self._issue(grant, now=now, mint=mint, renewable=True)

    def _issue(self, grant: Grant, *, now: datetime, mint: TokenMint, renewable: bool) -> Issued:
        if self.refresh_kills_access:
            for token in grant.access_tokens:
                del self._by_token[token]
            grant.access_tokens.clear()
        if grant.refresh_token is not None:
            grant.spent.add(grant.refresh_token)
        access_token = mint("access")
        expires_at = now + self.access_lifetime
        access = AccessToken(now, expires_at if grant.ends_at is None else min(expires_at, grant.ends_at), grant.scope)
        grant.access_tokens[digest(access_token)] = access
        self._by_token[digest(access_token)] = grant
        refresh_token = mint("refresh") if renewable else None
        if refresh_token is not None:
            grant.refresh_token = digest(refresh_token)
            grant.refresh_expires_at = now + self.refresh_lifetime if self.refresh_lifetime else grant.ends_at
            self._by_token[grant.refresh_token] = grant
        return Issued(grant=grant, access=access, access_token=access_token, refresh_token=refresh_token)

    def of_access_token(self, token_digest: str) -> tuple[Grant, AccessToken] | None:
        """Find what an access token stands for, expired or not; None for a token unknown, killed or revoked."""
        grant = self._by_token.get(token_digest)
        if grant is None or token_digest not in grant.access_tokens:
            return None
        return grant, grant.access_tokens[token_digest]

    def of_refresh_token(self, token_digest: str) -> Grant | None:
        """Find the grant of a refresh token, current or spent; None once it was revoked."""
        grant = self._by_token.get(token_digest)
        return None if grant is None or token_digest in grant.access_tokens else grant

    def revoke(self, grant: Grant) -> None:
        """End a grant: nothing that was ever issued on it works any more."""
        self._grants.remove(grant)
        self._by_token = {token: owner for token, owner in self._by_token.items() if owner is not grant}

    def live_tokens(self, now: datetime, client_id: str | None = None) -> dict[TokenKind, list[str]]:
        """Return the digests of all tokens that work now, of one client or of all."""
        live: dict[TokenKind, list[str]] = {"access": [], "refresh": []}
        for grant in self._grants:
            if client_id not in (None, grant.client_id) or not grant.is_alive(now):
                continue
            live["access"] += [token for token, access in grant.access_tokens.items() if access.expires_at > now]
            if grant.can_refresh(now):
                live["refresh"].append(str(grant.refresh_token))
            if grant.superseded is not None and grant.in_grace(grant.superseded, now):
                live["refresh"].append(grant.superseded)
        return live
