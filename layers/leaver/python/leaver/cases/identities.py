"""A leaver at each provider: which names an event may give for somebody there, and what has to end."""

from collections.abc import Iterator, Mapping

from leaver.errors import BadMessage
from leaver.messages.events import Subject
from leaver.providers.entry import Leaver, LeaverStep, Providers


def check(subject: Subject, providers: Providers) -> None:
    """Raise BadMessage, field by field, for a provider that is not in the registry, and a key that it does not take.

    Neither is named back: they came from outside and could be anything, a secret included.
    """
    faults = [
        f"subject.identities.{name}: unknown field (allowed: {', '.join(sorted(provider.identity_keys))})"
        for name, provider in providers.items()
        if not subject.identities.get(name, {}).keys() <= provider.identity_keys
    ]
    if not subject.identities.keys() <= providers.keys():
        faults.append(f"subject.identities: unknown field (allowed: {', '.join(sorted(providers))})")
    if faults:
        raise BadMessage("; ".join(faults))


def steps(subject: Subject, providers: Providers, found: Mapping[str, str]) -> Iterator[tuple[str, LeaverStep]]:
    """What has to end for this person, each with its provider; `found` are the ids that providers themselves gave."""
    for name, provider in providers.items():
        leaver = Leaver(subject.email, subject.identities.get(name, {}), found.get(name))
        for step in provider.steps(leaver):
            yield name, step
