"""What Venafi TPP knows: identities, OAuth applications and the grants among them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from werkzeug import Request

from local.simulators.grants import AccessToken, Grant, Grants
from local.simulators.provider import Call, Refused, bearer_digest, json_response


class Role(IntEnum):
    """TPP's OAuth roles."""

    USER = 0
    AUDITOR = 1
    MAINTAINER = 2
    OWNER = 3
    MIXED_OWNER_MAINTAINER = 4
    GRANT_ADMIN = 5
    ADMIN = 6


@dataclass
class Identity:
    """A user or group, known by its PrefixedUniversal (`local:{guid}`, `AD+corp:{guid}`), verbatim."""

    prefixed_universal: str
    name: str
    full_name: str
    email: str
    #: 1 user, 2 security group, 8 distribution group
    type: int
    role: Role
    password: str | None = field(repr=False)
    jwt: str | None = field(repr=False)
    #: PEM
    certificate: str | None = None

    @property
    def prefix(self) -> str:
        """The identity provider that it belongs to."""
        return self.prefixed_universal.partition(":")[0]

    @property
    def prefixed_name(self) -> str:
        """How a person writes it, `local:jdoe`."""
        return f"{self.prefix}:{self.name}"

    @property
    def attributes(self) -> dict[str, str]:
        """What `ReadAttribute` knows: a directory has its own names for things."""
        email = "Internet EMail Address" if self.prefix == "local" else "mail"
        return {"Full Name": self.full_name, email: self.email}

    def record(self) -> dict[str, object]:
        """Return the identity as TPP answers it."""
        return {
            "FullName": self.full_name,
            "IsGroup": self.type != 1,
            "Name": self.name,
            "Prefix": self.prefix,
            "PrefixedName": self.prefixed_name,
            "PrefixedUniversal": self.prefixed_universal,
            "Type": self.type,
            "Universal": self.prefixed_universal.partition(":")[2],
        }


@dataclass
class Application:
    """An OAuth application (API integration): the most that it may be granted, and the identities that own it."""

    id: str
    scope: str
    owners: frozenset[str]
    renewable: bool


@dataclass
class VenafiState:
    """All of it."""

    grants: Grants
    #: `admin:delete` (so VenafiPS) or `admin` (so the documentation)
    revoke_grants_scope: str
    #: 3, GrantNotFound, or 0: what RevokeGrants says when nothing was there is not documented
    result_for_no_grants: int
    identities: dict[str, Identity] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    #: whether `ResolveIdentities` brings `IdentityEntries`: they are in the request's text, and not in the answer's
    resolves_identities: bool = True
    #: so many grants are counted that no page tells
    uncounted: int = 0

    def find_identity(self, universal: object) -> Identity | None:
        """Find an identity by its PrefixedUniversal, in whatever letter case, with or without braces and dashes."""
        known = self.identities.values()
        return next((each for each in known if _bare(each.prefixed_universal) == _bare(universal)), None)

    def find_name(self, name: object) -> Identity | None:
        """Find an identity by its PrefixedName, in whatever letter case."""
        known = self.identities.values()
        return next((each for each in known if each.prefixed_name.casefold() == str(name).casefold()), None)

    def live_grants(self, now: datetime, grantee: object = None, application: object = None) -> list[Grant]:
        """Return the grants on which something still works, oldest first; values are compared letter by letter."""
        return [
            grant
            for grant in self.grants
            if grant.is_alive(now) and grantee in (None, grant.subject) and application in (None, grant.client_id)
        ]


@dataclass(frozen=True)
class Caller:
    """Who a bearer token speaks for."""

    identity: Identity
    grant: Grant
    access: AccessToken


def authenticated(state: VenafiState, call: Call) -> Caller:
    """Tell whose bearer token the request carries. Refuses with 401 `invalid_token`."""
    held = state.grants.of_access_token(bearer_digest(call.request) or "")
    if held is None or held[1].expires_at <= call.now or held[0].subject not in state.identities:
        description = "The access token is missing, or the provided token is expired, revoked or malformed"
        raise venafi_error(401, "invalid_token", description)
    grant, access = held
    return Caller(state.identities[grant.subject], grant, access)


def covers(held: str, wanted: str) -> bool:
    """Whether one scope string (`admin:delete;configuration`) allows all that another one names."""
    privileges = _parsed(held)
    return all(scope in privileges and names <= privileges[scope] for scope, names in _parsed(wanted).items())


def _bare(prefixed_universal: object) -> str:
    return str(prefixed_universal).translate(str.maketrans("", "", "{}-")).casefold()


def _parsed(scope: str) -> dict[str, set[str]]:
    parsed: dict[str, set[str]] = {}
    for part in filter(None, scope.split(";")):
        name, _, privileges = part.partition(":")
        parsed[name.strip()] = {privilege.strip() for privilege in privileges.split(",") if privilege.strip()}
    return parsed


def venafi_error(status: int, error: str, description: str) -> Refused:
    """Build the error answer of vedauth and of the vedsdk's gate."""
    return Refused(json_response(status, {"error": error, "error_description": description}))


def body_of(request: Request) -> dict[str, object]:
    """Return the JSON object of a request. Refuses with 400 `invalid_request`."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise venafi_error(400, "invalid_request", "The request is not a JSON object")
    return body
