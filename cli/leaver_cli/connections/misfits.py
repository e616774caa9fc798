"""What is amiss between the providers that the company has and the connections that there are."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from leaver.connections.record import IN_USE, Connection
from leaver.providers.registry import PROVIDERS

if TYPE_CHECKING:
    from leaver_cli.deployment import Deployment


class Misfit(NamedTuple):
    """Something that a person should know; `to_do` is empty where it may be so on purpose."""

    what: str
    to_do: str = ""

    @property
    def sentence(self) -> str:
        """Both, on a line."""
        return f"{self.what}: {self.to_do}" if self.to_do else self.what


def find_misfits(deployment: "Deployment") -> list[Misfit]:
    """Find providers without a connection, second accounts, and connections that no case will use."""
    wanted = [each for each in deployment.parameters.get("Providers", "").split(",") if each]
    usable = deployment.connections.usable_at(wanted)
    return [
        *_unconnected(deployment, wanted),
        *_second_accounts(usable, wanted),
        *_unused(deployment, wanted, {each.connection for those in usable.values() for each in those[1:]}),
    ]


def _unconnected(deployment: "Deployment", wanted: list[str]) -> Iterator[Misfit]:
    for name in wanted:
        accounts = deployment.connections.accounts(name)
        if not accounts:
            what = f"{name} is one of Providers and has no connection: whoever leaves keeps what they have there"
            yield Misfit(what, f"leaver connect {name}")
        for account, best in sorted(accounts.items()):
            if best is None:
                what = f"{name}/{account} has no connection that works: whoever leaves keeps what they have there"
                yield Misfit(what, f"leaver connect {name}, or leaver disconnect CONNECTION --give-up-account")


def _second_accounts(usable: dict[str, list[Connection]], wanted: list[str]) -> Iterator[Misfit]:
    for name in wanted:
        accounts = [each.partition("/")[2] for each in sorted(usable) if each.partition("/")[0] == name]
        if len(accounts) > 1:
            yield Misfit(f"{name} has {len(accounts)} accounts ({', '.join(accounts)}): a leaver has steps at each")


def _unused(deployment: "Deployment", wanted: list[str], spare: set[str]) -> Iterator[Misfit]:
    for each in sorted(deployment.connections.read_all(), key=lambda each: each.connection):
        if not isinstance(each, Connection) or each.role != "service" or each.status not in IN_USE:
            continue
        if each.provider in PROVIDERS and each.provider not in wanted:
            what = f"{each.connection}: no case will use it, since {each.provider} is none of Providers"
            yield Misfit(what, f"deploy with {each.provider} in Providers, or leaver disconnect {each.connection}")
        elif each.connection in spare:
            yield Misfit(f"{each.connection}: no case uses it while another one works at {each.account}")


def unknown_owner(record: Connection) -> Misfit:
    """Say that nobody will notice when an owner leaves."""
    what = f"{record.connection}: its owner {record.owner} is not known to {record.provider}"
    to_do = f"give it an owner who is: leaver connect {record.provider} {record.connection}"
    return Misfit(f"{what}, so that nobody notices when they leave", to_do)
