"""The user tokens that Leaver keeps: told of before there is one, and destroyed under every name of whoever leaves."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from leaver.cases.user_token_index import TYPES, StoredUserToken, UserTokenIndex, is_named, mark
from leaver.errors import Rejected
from leaver.storage.user_token_secrets import MOST_PAGES, UserTokenPlace, UserTokenSecrets


@dataclass(frozen=True)
class Reservation:
    """Room for one token, before it is asked for."""

    token: StoredUserToken
    #: what was told of its place before
    before: StoredUserToken | None
    #: whether the secret was made for it, and holds nothing
    is_new: bool


@dataclass(frozen=True)
class StoredUserTokens:
    """The user tokens in Secrets Manager, and their items in the Cases table."""

    index: UserTokenIndex
    secrets: UserTokenSecrets
    clock: Callable[[], datetime]

    def reserve(self, place: UserTokenPlace, *, names: Iterable[str], expires_at: datetime) -> Reservation:
        """Make room for a token that is for somebody of these names, before it is asked for.

        Raises LeaseHeld while the one that lay there is being destroyed, Rejected and NotKept where there is no room.
        """
        marks = {mark(name) for name in names if name != place.zoom_user_id}
        # First, so that a token is found whatever happens next.
        before, token = self.index.expect(place, marks, expires_at)
        try:
            is_new = self.secrets.reserve(place, marks=marks, expires_at=token.expires_at, now=self.clock())
        except Rejected:
            # What is in the way must be found by whoever purges: where nothing was told of it, this stays.
            if before and before.may_lie_there:
                self.withdraw(Reservation(token, before, is_new=False))
            raise
        return Reservation(token, before, is_new)

    def withdraw(self, reservation: Reservation) -> None:
        """Give back room that nothing came for; where somebody else has been at work meanwhile, all stays."""
        marked = self.index.change(reservation.token, reservation.token.model_copy(update={"destroying": True}))
        if marked is None:
            return
        if reservation.is_new:
            self.secrets.destroy(marked.place)
        self.index.change(marked, marked.as_before(reservation.before, self.clock()))

    def keep(
        self, place: UserTokenPlace, token: SecretStr, *, expires_at: datetime, expires_at_assumed: bool
    ) -> tuple[str, str]:
        """Keep a token where room was reserved; returns the secret's ARN and version; see UserTokenSecrets."""
        return self.secrets.keep(place, token, expires_at=expires_at, expires_at_assumed=expires_at_assumed)

    def find_expired(self, now: datetime) -> Iterator[StoredUserToken]:
        """Find the tokens that have been dead long enough to be destroyed, the longest first."""
        return self.index.find_expired(now)

    def destroy(self, token: StoredUserToken) -> bool | None:
        """Destroy what lies there, for good; tells whether there was anything.

        None, and nothing destroyed, where somebody has changed the item since it was read: it may be a new token's.
        """
        marked = self.index.change(token, token.model_copy(update={"destroying": True}))
        if marked is None:
            return None
        was_there = self.secrets.destroy(token.place)
        self.index.change(marked, marked.after_destruction(self.clock()))
        return was_there

    def destroy_one(self, place: UserTokenPlace) -> bool:
        """Destroy one of somebody's tokens whatever its item says; tells whether there was one."""
        while standing := self.index.read(place):
            if (was_there := self.destroy(standing)) is not None:
                return was_there
        return self.secrets.destroy(place)

    def find_all(self, names: Iterable[str]) -> frozenset[UserTokenPlace]:
        """Find where tokens lie of whoever has one of these names; raises NotRead where it can't be known."""
        names = frozenset(names)
        found = {each.place for each in self.index.find(names) if each.may_lie_there}
        if not self.index.is_whole():
            told = self.secrets.find_all(most_pages=MOST_PAGES)
            found |= {each.place for each in told if each.place.type in TYPES and is_named(each, names)}
        return frozenset(found)

    def destroy_all(self, names: Iterable[str]) -> tuple[int, datetime | None]:
        """Destroy all tokens of whoever has one of these names, over whichever connection they were fetched.

        Returns how many there were, and when the last handed out is dead. Repeated, it tells the same time again, as
        long as that is to come; None where nothing lives any more. Raises NotRead where it can't be known.
        """
        names = frozenset(names)
        if not self.index.is_whole():
            self._adopt_those_of(names)
        found = self.index.find(names)
        lying = [each.place for each in found if each.may_lie_there]
        destroyed = sum(map(self.destroy_one, lying))
        # Somebody may have told of a later one meanwhile; where nothing lay, nothing was waited for.
        alive = [each.expires_at for each in (self.index.find(names) if lying else found)]
        alive = [each for each in alive if each > self.clock()]
        return destroyed, max(alive, default=None)

    def prove_index(self, has_time: Callable[[], bool]) -> None:
        """Build the index anew from the secrets, where the table is not the one that it was built for."""

        def adopt_all() -> bool:
            for found in self.secrets.find_all():
                if not has_time():
                    return False
                if found.place.type in TYPES:
                    self.index.adopt(found, self.clock())
            return True

        self.index.prove(self.clock(), adopt_all)

    def _adopt_those_of(self, names: frozenset[str]) -> None:
        for found in self.secrets.find_all(most_pages=MOST_PAGES):
            if found.place.type in TYPES and is_named(found, names):
                self.index.adopt(found, self.clock())
