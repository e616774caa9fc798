"""A leaver at each provider: which names an event may give for somebody there, and what has to end."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

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


def steps(
    subject: Subject, providers: Providers, accounts: Mapping[str, Collection[str]], found: Mapping[str, str]
) -> Iterator[tuple[str, LeaverStep]]:
    """What has to end for this person, each with where: `provider/account`, or a provider without any account.

    `accounts` are the company's, by provider; `found` are the ids that accounts themselves gave, by where.
    """
    for name, provider in providers.items():
        for at in [f"{name}/{account}" for account in accounts[name]] or [name]:
            leaver = Leaver(subject.email, subject.identities.get(name, {}), found.get(at))
            for step in provider.steps(leaver):
                # Of several accounts nobody knows for which one HR gave the identity.
                certain = step.found_by != "hr" or len(accounts[name]) == 1
                yield at, step if certain else replace(step, found_by="address")
