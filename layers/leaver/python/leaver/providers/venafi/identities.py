"""Who is meant at Venafi: what was given must come back as exactly that, or it is nobody."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import SecretStr

from leaver.errors import BadMessage, Rejected
from leaver.providers.side_by_side import ask_of_each
from leaver.providers.venafi.api import Identity, Venafi, is_prefixed, same_identity

#: Venafi's own name for it; an identity of a directory may have it under the directory's name alone
EMAIL_ATTRIBUTES: Final = ("Internet EMail Address", "mail")

FoundBy = Literal["prefixed_universal", "name", "address", "local_part", "application"]


@dataclass(frozen=True)
class Found:
    """Somebody, and how they were found."""

    identity: Identity
    found_by: FoundBy

    def details_of(self, value: str) -> dict[str, str]:
        """What a receipt says of them, who were searched for like that: of a deleted account no name is left."""
        ways = ways_of(value)
        details = {
            "prefixed_universal": self.identity.prefixed_universal,
            "prefixed_name": self.identity.prefixed_name,
            "found_by": self.found_by,
            "searched": ",".join(ways[: ways.index(self.found_by) + 1]),
        }
        return {name: text for name, text in details.items() if text}


def ways_of(value: str) -> tuple[FoundBy, ...]:
    """In which ways somebody is looked for who is given like that, in order."""
    if is_prefixed(value):
        return ("prefixed_universal", "name", "application")
    return ("address", "local_part", "application") if "@" in value else ("name", "application")


def find_identity(value: str, prefixes: Iterable[str], *, venafi: Venafi, access_token: SecretStr) -> Found | None:
    """Find a person by a prefixed id or name, a plain name or an e-mail address; None where Venafi knows nobody.

    Where it finds no address, the local part may be their name with one of the prefixes.
    Raises Rejected where it knows two, or a group, and BadMessage for a wildcard.
    Danger: RevokeGrants minds the spelling of an id, and says "no grants" to one that it does not know.
    """
    if is_prefixed(value):
        return _by_prefixed(value, venafi=venafi, access_token=access_token)
    if not value.strip() or "*" in value:
        raise BadMessage("identity: expected a name or an e-mail address, without wildcards")
    found = venafi.browse(value, access_token)
    # Venafi may have left more of them out: that one is exact does not say that it is the only one.
    if len(found) > 1:
        raise Rejected("ambiguous identity")
    if found and is_exactly(value, found[0], venafi=venafi, access_token=access_token):
        return Found(_refuse_group(found[0]), "address" if "@" in value else "name")
    return _by_local_part(value, prefixes, venafi=venafi, access_token=access_token) if "@" in value else None


def is_exactly(value: str, found: Identity, *, venafi: Venafi, access_token: SecretStr) -> bool:
    """Whether a hit is who was searched for: Browse matches the beginnings of names and addresses.

    A name must be the identity's own name, and an address its own e-mail attribute, both without regard to case.
    """
    if is_prefixed(value):
        return same_identity(found.prefixed_universal, value) or fold(found.prefixed_name) == fold(value)
    if "@" not in value:
        return fold(found.name) == fold(value)
    return any(
        fold(address) == fold(value) for address in addresses_of(found, venafi=venafi, access_token=access_token)
    )


def may_be_an_alias(address: str, *, venafi: Venafi, access_token: SecretStr) -> bool:
    """Whether the search finds somebody by an address with which neither their name nor their own address begins.

    A directory finds people by all their addresses, and tells one.
    """
    return any(
        not any(
            fold(text).startswith(fold(address))
            for text in (hit.name, *addresses_of(hit, venafi=venafi, access_token=access_token))
        )
        for hit in venafi.browse(address, access_token)
    )


def only_one(found: Iterable[Identity]) -> Identity | None:
    """The one identity, None of none; raises Rejected where they are several."""
    distinct = list({each.prefixed_universal: each for each in found}.values())
    if len(distinct) > 1:
        raise Rejected("ambiguous identity")
    return distinct[0] if distinct else None


def fold(text: str) -> str:
    """Make of a text what is the same in any letter case and composition."""
    return unicodedata.normalize("NFC", text).casefold()


def addresses_of(found: Identity, *, venafi: Venafi, access_token: SecretStr) -> Iterator[str]:
    """Read an identity's own addresses."""
    for attribute in EMAIL_ATTRIBUTES:
        yield from venafi.read_attribute(found, attribute, access_token)


def _by_prefixed(value: str, *, venafi: Venafi, access_token: SecretStr) -> Found | None:
    keys: tuple[tuple[Literal["PrefixedUniversal", "PrefixedName"], FoundBy], ...] = (
        ("PrefixedUniversal", "prefixed_universal"),
        ("PrefixedName", "name"),
    )
    for key, found_by in keys:
        found = venafi.validate(key, value, access_token)
        if found is None:
            continue
        if not is_exactly(value, found, venafi=venafi, access_token=access_token):
            raise Rejected("Venafi answers with another identity than it was asked for")
        return Found(_refuse_group(found), found_by)
    return None


def _by_local_part(address: str, prefixes: Iterable[str], *, venafi: Venafi, access_token: SecretStr) -> Found | None:
    """Whoever has the address's local part as a name may be somebody else: only their own address tells."""

    def guess(prefix: str) -> Identity | None:
        guessed = venafi.validate("PrefixedName", f"{prefix}:{address.partition('@')[0]}", access_token)
        if guessed is None or not guessed.is_user:
            return None
        return guessed if is_exactly(address, guessed, venafi=venafi, access_token=access_token) else None

    found = only_one(each for each in ask_of_each(guess, sorted(prefixes)) if each)
    return Found(found, "local_part") if found else None


def _refuse_group(found: Identity) -> Identity:
    if not found.is_user:
        raise Rejected("this identity is no person: a group, or a machine")
    return found
