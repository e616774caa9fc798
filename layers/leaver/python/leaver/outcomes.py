"""What may come of a command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from leaver.errors import NO_RESPONSE, ProviderResponse


class Outcome(StrEnum):
    """The last word on a command; `consumer` writes it on the receipt."""

    REVOKED = "revoked"
    #: the provider says that there was nothing left to revoke
    ALREADY_GONE = "already_gone"
    #: Zoom 1001 or 1010; at Venafi a search that is proved: acknowledged, never counted as revoked
    USER_NOT_FOUND = "user_not_found"
    #: nobody was found where not everybody is seen, or it may be one of two people: it says nothing, and ends nothing
    NOT_SEARCHABLE = "not_searchable"
    RETRIEVED = "retrieved"
    #: Zoom's legal `{"token": null}`: the user logs in through Google or Facebook
    NO_TOKEN = "no_token"  # noqa: S105 - an outcome, not a secret
    REFRESHED = "refreshed"
    STILL_FRESH = "still_fresh"
    #: our copies, for good; it says nothing about the provider
    PURGED = "purged"
    DEACTIVATED = "deactivated"
    #: not to be done as things are: a connection that is being revoked or waits for a person, a case that is over,
    #: somebody who left
    REFUSED = "refused"
    FAILED = "failed"
    #: a person's word that a step is done with, and no provider's
    CLOSED = "closed"


@dataclass(frozen=True)
class Result:
    """An outcome with the provider's response; `details` holds names and counts, never a secret."""

    outcome: Outcome
    response: ProviderResponse = NO_RESPONSE
    details: Mapping[str, str | int | bool] = field(default_factory=dict)
