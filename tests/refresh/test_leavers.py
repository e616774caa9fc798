"""A token's retrieval and its user's leaving, in every order of their effects, and with either killed anywhere."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar
from uuid import NAMESPACE_URL, uuid5

import pytest

from functions.purge_user_tokens.app import purge_user_tokens
from functions.retrieve_user_token import app
from functions.retrieve_user_token.app import retrieve_user_token
from leaver.cases.people import Name, People
from leaver.cases.user_token_index import StoredUserToken
from leaver.connections.access_tokens import AccessTokens
from leaver.messages.commands import PurgeUserTokens, RetrieveUserToken
from leaver.outcomes import Outcome, Result
from leaver.storage.secrets import SecretStore
from tests.doubles.cases_table import InMemoryItems, InMemoryPeople
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeZoom
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of
from tests.doubles.steps import Choices, Effects, Known, Run, all_ways, take_turns
from tests.doubles.user_tokens import KeptTokens
from tests.field import Field
from tests.length import some

JOHN, JOHN_ID = "john.doe@example.com", "KDcuGIm1QgePTO8WbOqwIQ"
USERS_TOKENS: Final = "/user-tokens/"
#: how its secret's name ends, and its item's
THE_TOKEN: Final = "zak"

T = TypeVar("T")


@dataclass
class Secrets(StrictSecretsManager):
    """Secrets Manager, each call about the token an effect; a value has the same version id wherever it is put."""

    effects: Effects = field(default_factory=Effects)

    def create_secret(self, **asked: Any) -> dict[str, Any]:
        create = super().create_secret
        version = str(uuid5(NAMESPACE_URL, asked["Name"]))
        return self._effect("create secret", asked["Name"], lambda: create(ClientRequestToken=version, **asked))

    def tag_resource(self, **asked: Any) -> None:
        tag = super().tag_resource
        return self.effects.of("tag secret", lambda: tag(**asked))

    def put_secret_value(self, **asked: Any) -> dict[str, Any]:
        return self.effects.of("put secret", lambda: self._put(asked["SecretId"], asked["SecretString"]))

    def describe_secret(self, **asked: Any) -> dict[str, Any]:
        describe = super().describe_secret
        return self._effect("describe secret", asked["SecretId"], lambda: describe(**asked))

    def delete_secret(self, **asked: Any) -> None:
        delete = super().delete_secret
        return self._effect("delete secret", asked["SecretId"], lambda: delete(**asked))

    def _effect(self, name: str, secret: str, do: Callable[[], T]) -> T:
        return self.effects.of(name, do) if secret.endswith(THE_TOKEN) else do()

    def _put(self, name: str, value: str) -> dict[str, Any]:
        version = str(uuid5(NAMESPACE_URL, name + value))
        return super().put_secret_value(SecretId=name, SecretString=value, ClientRequestToken=version)


class Items(InMemoryItems[StoredUserToken]):
    """The items of user tokens, each call about the token's an effect."""

    def read(self, **key: str) -> StoredUserToken | None:
        read = super().read
        return read(**key) if key["entry"].endswith(THE_TOKEN) else self._read(tuple(key.values()))


class OneLook(People):
    """Whoever is not seen to be gone at first never is: a retrieval without its second look."""

    def __init__(self, people: People) -> None:
        self._people = people

    def gone(self, names: Iterable[str]) -> bool:
        return self._people.gone(names)

    def refuse_what_was_asked(self, names: Iterable[str], at: datetime) -> str | None:  # noqa: ARG002
        return None


class Office:
    """John, who leaves while somebody asks for his token.

    An effect is what the other can see, or change: not what is asked of Zoom, where nothing changes, nor where the
    purge looks for tokens of the other types, which nobody retrieves. When these happen makes no difference, nor does
    a death between two of them.
    """

    def __init__(self, *, kept_before: bool, looks_again: bool = True) -> None:
        self.effects, self.clock = Effects(), Clock()
        self.zoom = FakeZoom(users={JOHN_ID: JOHN}, tokens={JOHN_ID: "zak-canary"})
        self.people = InMemoryPeople(effects=self.effects)
        self.items = Items(StoredUserToken, key=("partition", "entry"), effects=self.effects)
        self.secrets = Secrets()
        secret_store_of(self.secrets)
        self.secrets.effects = self.effects
        secret_store = SecretStore(self.secrets.client, prefix="leaver")
        self.tokens = AccessTokens(InMemoryConnections(connection()), secret_store, self.clock, "zoom")
        kept_tokens = KeptTokens(self.secrets, self.clock, self.items)
        kept_tokens.is_whole_from_the_start()
        self.kept = kept_tokens.stored
        self.looks_again = looks_again
        #: of what was acknowledged
        self.results: dict[str, Result] = {}
        if kept_before:
            self.retrieve()
            self.results.clear()

    def retrieve(self) -> None:
        self.results["retrieve"] = retrieve_user_token(
            RetrieveUserToken(user_id=JOHN),
            zoom=self.zoom,
            tokens=self.tokens,
            people=self.people if self.looks_again else OneLook(self.people),
            kept=self.kept,
            max_ttl=7200,
            clock=self.clock,
        )

    def leave(self) -> None:
        """What becomes of the HR event: the tombstones, and then the purge."""
        for name in (JOHN, JOHN_ID):
            self.people.change(name, _gone)
        command = PurgeUserTokens(user_id=JOHN_ID)
        self.results["leave"] = purge_user_tokens(
            command, zoom=self.zoom, tokens=self.tokens, kept=self.kept, age_of=lambda _: timedelta(0)
        )

    @property
    def lying(self) -> list[str]:
        return [name for name in self.secrets.secrets if USERS_TOKENS in name]

    def state(self) -> str:
        """All that is outside of the runs, in words that are the same for the same."""
        return repr((self.people.items.kept, self.items.kept, self.lying, self.results))


@dataclass(frozen=True)
class Played:
    """What is left of a token, and what was said of it."""

    lying: bool
    #: whether somebody was told where the token lies
    handed_out: bool
    #: until when the purge said that it may live on
    until: object


def play(choices: Choices, office: Office) -> Played:
    """Let both run, each effect when it is chosen, and one of them be killed; what was not done is done again."""
    does: dict[str, Callable[[], None]] = {"retrieve": office.retrieve, "leave": office.leave}
    runs = [Run(name, do) for name, do in does.items()]
    take_turns(office.effects, runs)
    all_live = True
    while going := [run for run in runs if not run.over]:
        mortal = [run for run in going if run.begun] if all_live else []
        try:
            chosen = choices.among(len(going) + len(mortal), partial(_state, office, runs, all_live))
        except Known:
            for run in going:
                run.kill()
            raise
        if chosen < len(going):
            going[chosen].step()
        else:
            mortal[chosen - len(going)].kill()
            all_live = False
    office.effects.watch = lambda _name, _moment: None
    office.effects.seen = lambda _name, _result: None
    # Nothing of it is acknowledged before it is done, so its message comes again.
    undone = [name for name in does if name not in office.results]
    while undone:
        does[undone.pop(choices.among(len(undone), partial(_state, office, runs, undone)))]()
    return Played(
        lying=bool(office.lying),
        handed_out=office.results["retrieve"].outcome is Outcome.RETRIEVED,
        until=office.results["leave"].details.get("handed_out_until"),
    )


def _state(office: Office, runs: list[Run], where: object) -> object:
    return repr(where), office.state(), tuple(run.standing for run in runs)


def explore(**office: bool) -> Iterator[Played]:
    """Play every order that can matter, with either killed anywhere or nobody.

    Orders count as one from where they have led to the same: the same world, the same past of whoever still runs.
    """
    return (played for played in all_ways(lambda choices: play(choices, Office(**office))) if played)


@pytest.mark.parametrize("kept_before", some([False, True], 1))
def test_whatever_the_order_and_whoever_is_killed_no_token_is_left_and_none_handed_out_is_kept_silent(
    *, kept_before: bool, record_property: Callable[[str, object], None], field: Field
) -> None:
    played = list(explore(kept_before=kept_before))
    left = [each for each in played if each.lying]
    silent = [each for each in played if (each.handed_out or kept_before) and not each.until]
    before = "one was kept before" if kept_before else "none was kept before"
    record_property("orders", ["retrieve and leave", before, len(played), 0, len(left) + len(silent)])
    kind = "a token's retrieval while its user leaves"
    field(kind, "in every order, either killed anywhere or nobody", len(played), false=silent, leaked=left)
    assert {each.handed_out for each in played} == {True, False}


# --- that the exploration would find what it looks for ---


def test_a_retrieval_that_does_not_look_again_is_found_to_leave_a_token() -> None:
    assert any(each.lying for each in explore(kept_before=False, looks_again=False))


def test_a_refusal_that_cleans_nothing_up_is_found_to_leave_what_a_killed_run_wrote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "_refused", lambda *_: Result(Outcome.REFUSED))
    assert any(each.lying for each in explore(kept_before=False))


def test_a_purge_that_forgets_what_it_destroyed_is_found_to_keep_silent_about_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forgotten(item: StoredUserToken, now: datetime) -> StoredUserToken:
        return item.model_copy(update={"destroying": False, "expires_at": now - timedelta(seconds=1)})

    monkeypatch.setattr(StoredUserToken, "after_destruction", forgotten)
    assert any(not each.until for each in explore(kept_before=True))


def _gone(found: Name) -> Name | None:
    return None if found.gone_since else found.model_copy(update={"gone_since": NOW})
