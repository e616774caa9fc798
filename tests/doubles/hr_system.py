"""HR systems with a memory: who is there, who left, and what whoever asks may not see."""

from dataclasses import dataclass, field, replace
from datetime import date

from pydantic import SecretStr

from leaver.errors import InvalidToken, LeaverError, ProviderResponse
from leaver.providers.source import Account
from leaver.providers.source_answers import UnknownPerson


@dataclass
class FakeHrSystem:
    """One of them, as Leaver's client of it sees it."""

    people: dict[str, Account] = field(default_factory=dict)
    #: access tokens that are good
    accepts: set[str] = field(default_factory=lambda: {"access-1"})
    #: raised instead of the next answers, one after the other
    failing: list[LeaverError] = field(default_factory=list)
    #: whom it was asked for
    asked: list[str] = field(default_factory=list)

    def knows(self, person: str, email: str) -> None:
        self.people[person] = Account(email, is_gone=False)

    def leaves(self, person: str, last_day: date | None = None) -> None:
        """Somebody left; with a last day the end is only entered."""
        self.people[person] = replace(self.people[person], is_gone=last_day is None, last_day=last_day)

    def returns(self, person: str) -> None:
        self.people[person] = replace(self.people[person], is_gone=False, last_day=None)

    def look_up(self, person: str, access_token: SecretStr, *, with_last_day: bool) -> Account:
        self.asked.append(person)
        if self.failing:
            raise self.failing.pop(0)
        if access_token.get_secret_value() not in self.accepts:
            raise InvalidToken("the access token is not accepted", ProviderResponse(401))
        if person not in self.people:
            raise UnknownPerson("the system knows nobody of that id", ProviderResponse(404))
        found = self.people[person]
        return found if with_last_day else replace(found, last_day=None)
