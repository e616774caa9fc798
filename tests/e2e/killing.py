"""A function's process that dies at an effect of our choice, by SIGKILL, and what becomes of its connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from leaver.messages.commands import RevokeAccessToken
from local import acme
from local.call_gate import Moment
from local.simulators.faults import RESET
from local.simulators.grants import digest
from local.simulators.venafi import VenafiSimulator
from local.simulators.zoom import ZoomSimulator
from tests.e2e.watched_world import WatchedWorld, in_seconds

Provider = Literal["zoom", "venafi"]

#: what the function says to Lambda, upon which its message is deleted
ANSWER: Final = "response"
REFRESH: Final = "refresh at the provider"
REVOKE: Final = "revoke at the provider"
PATHS: Final[dict[tuple[Provider, str], str]] = {
    ("zoom", REFRESH): "/oauth/token",
    ("zoom", REVOKE): "/oauth/revoke",
    ("venafi", REFRESH): "/vedauth/authorize/token",
    ("venafi", REVOKE): "/vedauth/revoke/token",
}
#: what must be said beside the connection
ALSO_SAID: Final[dict[str, dict[str, str]]] = {
    REFRESH: {},
    REVOKE: {"confirm": RevokeAccessToken.CONFIRMATION},
}
WORKS: Final = "works"
LOST: Final = "needs a person"


@dataclass(frozen=True)
class Deaths:
    """Where one function's processes die; its work goes by way of one call to a provider."""

    world: WatchedWorld
    function: str
    provider: Provider
    call: str
    #: the names of everything it does, in order: operations of AWS, the call to the provider, its answer
    effects: Sequence[str]

    @property
    def path(self) -> str:
        return PATHS[self.provider, self.call]

    @property
    def simulator(self) -> ZoomSimulator | VenafiSimulator:
        return self.world.zoom if self.provider == "zoom" else self.world.venafi

    def connect(self) -> str:
        """Make a connection that is due, by an app of its own."""
        if self.provider == "zoom":
            name = self.world.connect_zoom()
        else:
            name = f"venafi-{next(self.world._number)}"
            self.world.venafi.add_application(name, scope=acme.VENAFI_SCOPE)
            tokens = self.world.venafi.authorize(name, acme.LEAVER_ID)
            told = {"client_id": name}
            acme._connect(
                self.world,
                name,
                "venafi",
                acme.ADMIN,
                role="service",
                account="tpp",
                credentials=told,
                tokens=tokens,
            )
        self.world.change_record(name, refresh_at=in_seconds(-60))
        return name

    def live(self, connection: str) -> list[str]:
        """The digests of all that was issued to its app and works."""
        tokens = self.simulator.live_tokens(connection)
        return [*tokens["access"], *tokens["refresh"]]

    def done(self, connection: str) -> list[str]:
        """Let the function do its work undisturbed; returns the names of what it did."""
        calls = self.world.aws.calls
        self.simulator.inject(self.path, hold="before")
        self._begin(connection)
        assert self.simulator.wait_until_held() == 1
        before = list(calls)
        self.simulator.release()
        self.world.wait_until_idle()
        return [*before, self.call, *list(calls)[len(before) :], ANSWER]

    def die(self, connection: str, place: int, moment: Moment) -> str:
        """Let the process die at its effect number `place`, counted from 0; returns the message's id."""
        effect = self.effects[place]
        if effect == self.call:
            if moment == "before":
                self.simulator.inject(self.path, hold="before", handling="skip", reply=RESET)
            else:
                self.simulator.inject(self.path, hold="after")
            sent = self._begin(connection)
            assert self.simulator.wait_until_held() == 1
            self.world.kill(self.function)
            self.simulator.release()
        else:
            gate = self.world.functions[self.function].gate if effect == ANSWER else self.world.aws.gate
            gate.hold(effect, moment, nth=self.effects[: place + 1].count(effect))
            sent = self._begin(connection)
            assert gate.wait_until_held() == 1, effect
            self.world.kill(self.function)
            # What a process had not sent when it died is never carried out.
            gate.release(drop=True)
        self.world.settle()
        return sent

    def morning(self) -> None:
        """Let the leases of the dead pass, and their messages come back."""
        self.world.age_intents()
        self.world.try_again()

    def fate(self, connection: str) -> str:
        """In words: works, needs a person, or what is wrong."""
        record = self.world.record(connection)
        told = {
            each.detail["announcement_id"]
            for each in self.world.announced()
            if each.name.startswith("Connection") and each.detail["connection"] == connection
        }
        if "lease_holder" in record:
            return f"held for ever by {record['lease_holder']}"
        if record["status"] == "needs_reauthorization":
            alarms = sum("ConnectionNeedsReauthorization" in each for each in told)
            return LOST if (alarms, len(told)) == (1, 1) else f"needs a person, and {sorted(told)} was told"
        if record["status"] != "active" or told:
            return f"{record['status']}, and {sorted(told)} was told"
        if digest(self.world.tokens(connection)["refresh_token"]) not in self.live(connection):
            return "active on record, and its refresh token is dead"
        return WORKS

    def _begin(self, connection: str) -> str:
        self.world.aws.calls.clear()
        [sent] = self.world.send(self.function, {"connection": connection, **ALSO_SAID[self.call]})
        # of the test's own
        self.world.aws.calls.remove("SendMessageBatch")
        return sent
