"""Grants as a directory: they name people whom the robot's search does not see, and accounts that are deleted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from leaver.providers.time_left import TOO_LATE
from leaver.providers.venafi.api import PAGE, Identity, Venafi, same_identity
from leaver.providers.venafi.identities import fold, is_exactly, only_one


@dataclass(frozen=True)
class LookedThrough:
    """What the grants of all applications say of somebody: counts, and never a grant."""

    found: Identity | None
    applications: int
    grantees: int
    #: why "nobody" is no proof even so; None where each grantee is known to be somebody else
    because: str | None
    #: whether there was no time to look at all of them
    is_late: bool = False


def look_through_grants(
    value: str, *, venafi: Venafi, access_token: SecretStr, is_late: Callable[[], bool]
) -> LookedThrough:
    """Look for somebody among the grantees of all applications, until it is late.

    Raises Rejected where two of them are who was searched for.
    """
    applications = list(_each(partial(venafi.list_applications, access_token=access_token), is_late))
    grantees = {
        grantee
        for application in applications
        for grantee in _each(partial(venafi.list_grantees, application, access_token=access_token), is_late)
    }
    resolved: list[Identity] = []
    unknown: list[str] = []
    for grantee in grantees:
        if is_late():
            break
        identity = venafi.validate("PrefixedUniversal", grantee, access_token)
        if identity is not None and same_identity(identity.prefixed_universal, grantee):
            resolved.append(identity)
        else:
            unknown.append(grantee)

    # Of a deleted account its id is all that is left, and that in the grant's own spelling.
    found = [Identity(each, "", "", is_user=True) for each in unknown if same_identity(each, value)]
    # Whoever has the local part as their name comes first: for the others there may be no time.
    resolved.sort(key=lambda each: fold(each.name) != fold(value.partition("@")[0]))
    for identity in resolved:
        if is_late():
            break
        if identity.is_user and is_exactly(value, identity, venafi=venafi, access_token=access_token):
            found.append(identity)

    because, late = None, is_late()
    if late:
        because = TOO_LATE
    elif unknown:
        because = f"Venafi has grants of {len(unknown)} deleted or unknown identities: whose they were, nobody can tell"
    return LookedThrough(only_one(found), len(applications), len(grantees), because, late)


def _each(read: Callable[[int], list[str]], is_late: Callable[[], bool]) -> Iterator[str]:
    """Each record of all pages. Whether Start counts records or pages, Venafi's documents disagree."""
    start, before = 0, [""]
    while not is_late() and (page := read(start)) and page != before:
        yield from page
        if len(page) < PAGE:
            return
        start, before = start + len(page), page
