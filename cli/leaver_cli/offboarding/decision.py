"""A decision as a person says it, checked before anything is asked or sent."""

import re
from collections.abc import Iterable
from typing import Any

import click
from pydantic import ValidationError

from leaver.cases import identities
from leaver.errors import BadMessage, explain
from leaver.messages.decisions import Begin
from leaver.messages.events import Subject
from leaver.providers.registry import PROVIDERS

_IDENTITY = re.compile(r"([^:=]+):([^=]+)=(.+)")


class BadDecision(click.UsageError):
    """What a person said cannot be decided as it stands."""


def read_decision(**told: Any) -> Begin:
    """Check what a person decides, by the model that the function reads; raises BadDecision."""
    try:
        begin = Begin(**{name: value for name, value in told.items() if value is not None})
        identities.check(Subject(email=begin.who, identities=begin.identities), PROVIDERS)
    except ValidationError as error:
        raise BadDecision(explain(error, Begin)) from None
    except BadMessage as error:
        raise BadDecision(error.reason) from None
    return begin


def read_identities(told: Iterable[str]) -> dict[str, dict[str, str]]:
    """Read PROVIDER:KEY=VALUE, as often as it is said; raises BadDecision."""
    found: dict[str, dict[str, str]] = {}
    for each in told:
        parts = _IDENTITY.fullmatch(each)
        if parts is None:
            keys = ", ".join(f"{name}:{key}" for name in PROVIDERS for key in sorted(PROVIDERS[name].identity_keys))
            raise BadDecision(f"--identity {each}: expected PROVIDER:KEY=VALUE, of {keys}")
        provider, key, value = (part.strip() for part in parts.groups())
        if found.setdefault(provider, {}).setdefault(key, value) != value:
            raise BadDecision(f"--identity {provider}:{key}: said twice, and differently")
    return found
