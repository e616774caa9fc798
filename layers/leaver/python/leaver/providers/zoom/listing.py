"""Who has an account at Zoom: three listings, one for each status, each checked against its own total."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from leaver.providers.listing import Ask, Cursor, CutShort, Holding, Page
from leaver.providers.transport import Transport
from leaver.providers.zoom.api import PageExpired, UserStatus, Zoom

#: Zoom lists one status at a time, and says nothing of those whom it is not asked for
STATUSES: Final[tuple[UserStatus, ...]] = ("active", "inactive", "pending")
#: Listings are of Zoom's class Medium, which takes two thirds of what the class Light takes, or half of it: a call
#: counts as two where the limiter knows of Light ones alone.
WEIGHT: Final = 2


class ZoomListing:
    """The people of one Zoom account."""

    def __init__(self, transport: Transport, clock: Callable[[], datetime]) -> None:
        self._zoom = Zoom(transport, clock)

    def read_page(self, cursor: Cursor, ask: Ask) -> Page[Holding]:
        """Read a page of one status. Where its token has expired, that status is read from its beginning again."""
        at, token, seen = cursor.get("status", 0), cursor.get("token", ""), cursor.get("seen", 0)
        status = STATUSES[at]
        try:
            page = ask(lambda access_token: self._zoom.list_users(status, token, access_token), calls=WEIGHT)
        except PageExpired:
            return Page((), {"status": at})
        seen += len(page.users)
        # Somebody may come or go meanwhile.
        total = min(page.total, cursor.get("total", page.total))
        if page.next_page_token and page.users:
            return Page(page.users, {"status": at, "token": page.next_page_token, "seen": seen, "total": total})
        if seen < total:
            raise CutShort(f"Zoom says that {total} people are {status}, and lists {seen} of them")
        return Page(page.users, {"status": at + 1} if at + 1 < len(STATUSES) else None)
