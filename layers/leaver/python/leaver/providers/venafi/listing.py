"""Who has grants at Venafi: application after application, because no call tells everybody's at once."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from leaver.providers.listing import Ask, Cursor, CutShort, Holding, Page
from leaver.providers.transport import Transport
from leaver.providers.venafi.api import PAGE as APPLICATIONS
from leaver.providers.venafi.api import GrantsPage, Identity, Venafi, prefix_of, same_identity
from leaver.providers.venafi.identities import EMAIL_ATTRIBUTES

#: grants on a page: each grantee on it costs a call more, and a page that was interrupted is read again
PAGE: Final = 50


class VenafiListing:
    """The grantees of all applications of a Venafi server, also those whom the robot's search can't see."""

    def __init__(self, transport: Transport, clock: Callable[[], datetime]) -> None:
        self._venafi = Venafi(transport, clock)
        #: by prefixed universal id, of this process: most people have grants of several applications
        self._known: dict[str, Holding] = {}

    def read_page(self, cursor: Cursor, ask: Ask) -> Page[Holding]:
        """Read some applications' ids, or whose an application's next grants are, with their own addresses."""
        applications, at = cursor.get("applications", []), cursor.get("at")
        if at is None:
            return self._list_applications(applications, ask)
        if at >= len(applications):
            return Page((), None)
        return self._list_grants(cursor, applications[at], ask)

    def _list_applications(self, before: list[str], ask: Ask) -> Page[Holding]:
        found = ask(lambda access_token: self._venafi.list_applications(len(before), access_token))
        # Whether Start counts records or pages, Venafi's documents disagree: then what comes is known already.
        new = [each for each in found if each not in before]
        is_last = len(found) < APPLICATIONS or not new
        return Page((), {"applications": [*before, *new]} | ({"at": 0} if is_last else {}))

    def _list_grants(self, cursor: Cursor, application: str, ask: Ask) -> Page[Holding]:
        def count() -> int:
            return ask(lambda access_token: self._venafi.count_grants_of(application, access_token))

        start = cursor.get("start", 0)
        counted = cursor["counted"] if start else count()
        page = ask(lambda access_token: self._venafi.list_grants(application, start, PAGE, access_token))
        found = tuple(self._holding(each, application, page, ask) for each in dict.fromkeys(page.grantees))
        seen = start + len(page.grantees)
        if len(page.grantees) == PAGE:
            return Page(found, {**cursor, "start": seen, "counted": counted})
        # Grants may come and go meanwhile.
        if seen < (total := min(counted, count())):
            raise CutShort(f"Venafi counts {total} grants of an application, and lists {seen} of them")
        return Page(found, {"applications": cursor["applications"], "at": cursor["at"] + 1})

    def _holding(self, grantee: str, application: str, page: GrantsPage, ask: Ask) -> Holding:
        if grantee not in self._known:
            self._known[grantee] = self._resolve(grantee, page, ask)
        known = self._known[grantee]
        return Holding(kind="grant", id=grantee, email=known.email, names=known.names, what=f"grant of {application}")

    def _resolve(self, grantee: str, page: GrantsPage, ask: Ask) -> Holding:
        """Whoever that is; of an account that was deleted its id is all that is left."""
        identity = self._find(grantee, page, ask)
        if identity is None:
            return Holding(kind="grant", id=grantee)

        addresses = self._addresses(identity, ask)
        return Holding(
            kind="grant",
            id=grantee,
            email=addresses[0] if addresses else None,
            names=(identity.prefixed_name, *addresses[1:]),
        )

    def _addresses(self, identity: Identity, ask: Ask) -> list[str]:
        """Their own addresses, under the name that their directory has for them, or else under the other."""
        is_local = prefix_of(identity.prefixed_universal) == "local"
        for attribute in EMAIL_ATTRIBUTES if is_local else EMAIL_ATTRIBUTES[::-1]:
            read = partial(self._venafi.read_attribute, identity, attribute)
            if addresses := ask(read):
                return addresses
        return []

    def _find(self, grantee: str, page: GrantsPage, ask: Ask) -> Identity | None:
        if page.resolved is not None:
            return next((each for id_, each in page.resolved.items() if same_identity(id_, grantee)), None)
        found = ask(lambda access_token: self._venafi.validate("PrefixedUniversal", grantee, access_token))
        return found if found and same_identity(found.prefixed_universal, grantee) else None
