"""A connection that is called revoked, and lives: what a provider, or a proxy before it, says of a token."""

import json
from contextlib import closing

from pydantic import SecretStr

from leaver.errors import LeaverError
from leaver.providers.transport import Transport
from leaver.providers.venafi.oauth import VenafiAuth
from local.simulators.grants import Rotation
from tests.cases.attempts.seen import Attempts, Seen
from tests.doubles.clock import NOW
from tests.doubles.night import Night
from tests.doubles.secrets_manager import PARENT
from tests.doubles.steps import Moment
from tests.doubles.wire import fixture, serving

attempt = Attempts("A connection called revoked, and lives")


def revoked(night: Night) -> Seen:
    """Somebody ends the connection, and the queues are worked through."""
    night.revoke()()
    night.morning()
    return seen(night)


def seen(night: Night) -> Seen:
    lives = frozenset(f"{kind} token" for kind, digests in night.live.items() if digests)
    says = f"the connection: {night.record.status}"
    return Seen(says, lives, is_said_to_have_ended=night.record.status == "revoked")


def forgotten(provider: str) -> Seen:
    """The provider knows the access token no more, and the refresh token lives."""
    night = Night(Rotation.STRICT, provider)
    (grant,) = night.server.grants
    grant.access_tokens.clear()
    return revoked(night)


@attempt("the connection: revoked")
def a_dead_access_token_at_zoom() -> Seen:
    """At Zoom the access token is dead, unexpired on record, and the refresh token lives."""
    return forgotten("zoom")


@attempt("the connection: revoked")
def a_dead_access_token_at_venafi() -> Seen:
    """The same at Venafi."""
    return forgotten("venafi")


@attempt("the connection: revoked")
def a_provider_that_calls_every_token_revoked() -> Seen:
    """The same at a provider that says success for any token."""
    return forgotten("acme")


@attempt("the connection: revoked")
def one_401_of_a_proxy() -> Seen:
    """One 401 with an HTML body, from IIS or a proxy before Venafi, for a token without a refresh token."""
    night, answers = Night(Rotation.STRICT, "venafi"), [what_the_client_makes_of("venafi/401-html")]

    secret = night.secrets.secrets["leaver/tokens/venafi/venafi"]
    secret.versions[PARENT] = json.dumps({**json.loads(secret.versions[PARENT]), "refresh_token": None})

    def watch(name: str, moment: Moment) -> None:
        if (name, moment) == ("revoke at the provider", "before") and answers:
            raise answers.pop()

    night.effects.watch = watch
    carry_out = night.revoke()
    while answers:
        carry_out()
    # What is called revoked already is not asked about again.
    carry_out()
    return seen(night)


def what_the_client_makes_of(answer: str) -> LeaverError:
    """What the real client raises when it revokes a token and gets this recorded answer."""
    with serving(fixture(answer)) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        try:
            VenafiAuth(transport, lambda: NOW).revoke_token(SecretStr("access-1"))
        except LeaverError as error:
            return error
    raise AssertionError("it was believed")
