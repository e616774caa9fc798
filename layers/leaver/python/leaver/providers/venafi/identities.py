"""Who is meant at Venafi: what was given must come back as exactly that, or it is nobody."""

import unicodedata
from typing import Final, Literal

from pydantic import SecretStr

from leaver.errors import BadMessage, Rejected
from leaver.providers.venafi.api import Identity, Venafi, is_prefixed, same_identity

#: Venafi's own name for it; an identity of a directory may have it under the directory's name alone
EMAIL_ATTRIBUTES: Final = ("Internet EMail Address", "mail")


def find_identity(value: str, *, venafi: Venafi, access_token: SecretStr) -> Identity | None:
    """Find a person by a prefixed id or name, a plain name or an e-mail address; None where Venafi knows nobody.

    Raises Rejected where it knows two, or a group, and BadMessage for a wildcard.
    """
    if is_prefixed(value):
        return find_universal(value, venafi=venafi, access_token=access_token) or _validate(
            "PrefixedName", value, venafi=venafi, access_token=access_token
        )
    if not value.strip() or "*" in value:
        raise BadMessage("identity: expected a name or an e-mail address, without wildcards")
    found = venafi.browse(value, access_token)
    # Venafi may have left more of them out: that one is exact does not say that it is the only one.
    if len(found) > 1:
        raise Rejected("ambiguous identity")
    if not found or not is_exactly(value, found[0], venafi=venafi, access_token=access_token):
        return None
    return _refuse_group(found[0])


def find_universal(value: str, *, venafi: Venafi, access_token: SecretStr) -> Identity | None:
    """Find a person by prefixed universal id, however it is spelt; None where Venafi knows nobody of that id.

    Danger: RevokeGrants minds the spelling and says "no grants" to one that it does not know.
    """
    return _validate("PrefixedUniversal", value, venafi=venafi, access_token=access_token)


def is_exactly(value: str, found: Identity, *, venafi: Venafi, access_token: SecretStr) -> bool:
    """Whether a hit is who was searched for: Browse matches the beginnings of names and addresses.

    A name must be the identity's own name, and an address its own e-mail attribute, both without regard to case.
    """
    if "@" not in value:
        return _fold(found.name) == _fold(value)
    return any(
        _fold(address) == _fold(value)
        for attribute in EMAIL_ATTRIBUTES
        for address in venafi.read_attribute(found, attribute, access_token)
    )


def _validate(
    key: Literal["PrefixedUniversal", "PrefixedName"], value: str, *, venafi: Venafi, access_token: SecretStr
) -> Identity | None:
    found = venafi.validate(key, value, access_token)
    if found is None:
        return None
    if not same_identity(found.prefixed_universal, value) and _fold(found.prefixed_name) != _fold(value):
        raise Rejected("Venafi answers with another identity than it was asked for")
    return _refuse_group(found)


def _refuse_group(found: Identity) -> Identity:
    if not found.is_user:
        raise Rejected("this identity is no person: a group, or a machine")
    return found


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
