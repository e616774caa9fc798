"""The search for a leaver at Venafi, and whether a search that finds nobody proves that there is nobody."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from leaver.providers.side_by_side import ask_of_each
from leaver.providers.venafi.api import Identity, Venafi, is_prefixed, prefix_of
from leaver.providers.venafi.grantees import look_through_grants
from leaver.providers.venafi.identities import (
    Found,
    addresses_of,
    find_identity,
    is_exactly,
    may_be_an_alias,
    ways_of,
)

#: how long grants are looked through for one person: what is left of a function's time must do for the rest
TIME_FOR_GRANTS: Final = timedelta(seconds=15)


@dataclass(frozen=True)
class Nobody:
    """Nobody was found."""

    #: why that proves nothing, and what to do about it; None where it is proved
    because: str | None
    details: Mapping[str, str | int]


class PeopleSearch:
    """Finds people at Venafi, whatever they are given by; knows with each token what its search can see.

    A search that finds nobody is proved where the same search finds a known address in each identity provider.
    """

    def __init__(
        self, venafi: Venafi, *, prefixes: Iterable[str], known_addresses: Iterable[str], clock: Callable[[], datetime]
    ) -> None:
        """Take VenafiPrefixes and VenafiKnownAddress, in which there is an address of each prefix."""
        self._venafi = venafi
        self._prefixes = frozenset(prefixes)
        self._known_addresses = frozenset(known_addresses)
        self._clock = clock
        #: versions of tokens whose search is proved; what is not proved is asked anew, for somebody may have mended it
        self._proved: set[str] = set()

    def find(self, value: str, *, version: str, access_token: SecretStr) -> Found | Nobody:
        """Find somebody by a prefixed id or name, a name or an address; `version` is the access token's.

        Raises Rejected where it is two, or a group, and what Venafi's methods raise.
        """
        found = find_identity(value, self._prefixes, venafi=self._venafi, access_token=access_token)
        if found is not None:
            return found
        late = self._clock() + TIME_FOR_GRANTS
        seen = look_through_grants(
            value, venafi=self._venafi, access_token=access_token, is_late=lambda: self._clock() >= late
        )
        if seen.found is not None:
            return Found(seen.found, "application")
        because = self._unproved(value, version, access_token, is_late=seen.is_late) or seen.because
        details: dict[str, str | int] = {
            "searched": ",".join(ways_of(value)),
            "prefixes": ",".join(sorted(self._prefixes)),
            "applications": seen.applications,
            "grantees": seen.grantees,
        }
        return Nobody(because, {**details, "because": because} if because else details)

    def find_owners(self, address: str, *, version: str, access_token: SecretStr) -> list[Identity] | Nobody:
        """Find everybody who has that address, two as well as one; raises as find() does where it sees nobody so."""
        owners = [
            each
            for each in self._venafi.browse(address, access_token)
            if each.is_user and is_exactly(address, each, venafi=self._venafi, access_token=access_token)
        ]
        if owners:
            return owners
        found = self.find(address, version=version, access_token=access_token)
        return found if isinstance(found, Nobody) else [found.identity]

    def find_addresses(self, found: Identity, *, access_token: SecretStr) -> list[str]:
        """Find the identity's own addresses: an account may have none."""
        return list(addresses_of(found, venafi=self._venafi, access_token=access_token))

    def _unproved(self, value: str, version: str, access_token: SecretStr, *, is_late: bool) -> str | None:
        """Why nobody may be somebody all the same, and what to do about it; None where it is proved, or too late."""
        unconfigured = self._unconfigured(value)
        if unconfigured is not None or is_late:
            # More calls would take longer than this run lives, and could prove nothing any more.
            return unconfigured
        is_address = "@" in value and not is_prefixed(value)
        if is_address and may_be_an_alias(value, venafi=self._venafi, access_token=access_token):
            return (
                "the search finds somebody by this address whose own is another: HR can give their prefixed_universal"
            )
        return self._unseen(version, access_token)

    def _unconfigured(self, value: str) -> str | None:
        if not self._prefixes:
            return "VenafiPrefixes is empty: name the identity providers that people are in, such as AD+corp,local"
        if not self._known_addresses:
            return "VenafiKnownAddress is empty: in each of VenafiPrefixes, name somebody whom the search must find"
        if is_prefixed(value) and prefix_of(value) not in map(str.casefold, self._prefixes):
            return "VenafiPrefixes does not name this identity's provider: add it, with a known address in it"
        return None

    def _unseen(self, version: str, access_token: SecretStr) -> str | None:
        if version in self._proved:
            return None
        visible = self._visible(access_token)
        unseen = sorted(each for each in self._prefixes if each.casefold() not in visible)
        if unseen:
            return (
                f"the search finds no address of VenafiKnownAddress in {', '.join(unseen)}: name somebody there; "
                "or the robot's identity can not see that provider, and must be one of it"
            )
        self._proved.add(version)
        return None

    def _visible(self, access_token: SecretStr) -> set[str]:
        """The identity providers in which the search finds an address that is known to be there."""

        def see(address: str) -> set[str]:
            return {
                prefix_of(hit.prefixed_universal)
                for hit in self._venafi.browse(address, access_token)
                if is_exactly(address, hit, venafi=self._venafi, access_token=access_token)
            }

        return set().union(*ask_of_each(see, sorted(self._known_addresses)))
