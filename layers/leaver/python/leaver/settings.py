"""What functions read from their environment, by theme: each function joins what it needs in a class of its own."""

from collections.abc import Mapping
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

Entry = TypeVar("Entry")


class InvalidSetting(Exception):
    """A function was deployed without a variable that it needs, or with one that it can't use."""


def _whole_number(text: object) -> int:
    if isinstance(text, str) and text.isdecimal():
        return int(text)
    raise ValueError("is not a whole number")


def _true_or_false(text: object) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("is neither true nor false")
    return text == "true"


def _split(text: object) -> frozenset[str]:
    return frozenset(part.strip() for part in str(text).split(",") if part.strip())


WholeNumber = Annotated[int, BeforeValidator(_whole_number)]
Flag = Annotated[bool, BeforeValidator(_true_or_false)]
CommaSeparated = Annotated[frozenset[str], BeforeValidator(_split)]


class Settings(BaseModel):
    """A field is the environment variable of the same name in capitals; one with a default may be absent."""

    # Only the class that joins the themes is ever built: the others would lengthen every start.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read all variables; raises InvalidSetting with the name of each that is missing or wrong, never its value."""
        variables = {name: environ.get(name.upper(), "") for name in cls.model_fields}
        try:
            return cls.model_validate({name: text for name, text in variables.items() if text})
        except ValidationError as error:
            raise InvalidSetting("; ".join(_sentences(error))) from None


class Consumes(Settings):
    """A queue, and a bus for what came of its messages."""

    event_bus_name: str
    dead_letter_queue_url: str
    #: seconds since a message was first received
    give_up_after: WholeNumber
    #: where answers to people lie for an hour: that table clears itself
    deliveries_table: str


class UsesConnections(Settings):
    """Connections and their secrets, and the cases with their receipts and tombstones."""

    cases_table: str
    connections_table: str
    secret_prefix: str


class RequestsRefreshes(Settings):
    """The queue of the refresher."""

    refresh_queue_url: str


class Paced(Settings):
    """The limit of a provider account."""

    pace_table: str
    #: what the provider takes from one account, from everybody together
    requests_per_second: WholeNumber


class KeepsBelowCeiling(Settings):
    """How much may begin in an hour before a person has looked."""

    #: for how many people
    most_an_hour: WholeNumber


class EndsAccess(KeepsBelowCeiling):
    """The queue of seal_case, and the ceiling for what belongs to no case."""

    seal_queue_url: str


class ActsOnPeople(Consumes, UsesConnections, RequestsRefreshes, Paced):
    """What it takes to act on somebody through a connection."""


class EndsSteps(Settings):
    """What the deployment decides about a step of a case."""

    #: where a step is done although nobody of that name is known, and nobody has confirmed who is meant:
    #: `provider/account`, or a whole provider
    missing_user_is_done: CommaSeparated = frozenset()

    def done_where_missing(self, registry: Mapping[str, object]) -> frozenset[str]:
        """Where that is; raises InvalidSetting where one of these is nowhere in the registry."""
        if not {each.partition("/")[0] for each in self.missing_user_is_done} <= registry.keys():
            raise InvalidSetting(
                f"the environment variable MISSING_USER_IS_DONE: expected one or more of {', '.join(registry)}, "
                "each alone or followed by / and an account"
            )
        return self.missing_user_is_done


class ServesProviders(Settings):
    """Which providers the company has."""

    providers: CommaSeparated

    def served(self, registry: Mapping[str, Entry]) -> dict[str, Entry]:
        """Those of the registry's entries; raises InvalidSetting where one is not in it, or where there is none."""
        if not self.providers or not self.providers <= registry.keys():
            raise InvalidSetting(f"the environment variable PROVIDERS: expected one or more of {', '.join(registry)}")
        return {name: entry for name, entry in registry.items() if name in self.providers}


class StartsCases(Settings):
    """What the deployment decides about a case that begins."""

    #: seconds after which a case that is not done is announced as overdue
    case_deadline: WholeNumber


class BeginsCases(StartsCases, KeepsBelowCeiling):
    """What the deployment decides about cases whose time has come."""

    #: for how many routine people cases may begin in an hour before one is held
    routine_cases_an_hour: WholeNumber


class CallsZoom(Settings):
    """Zoom's REST API."""

    zoom_api_url: str


class CallsVenafi(Settings):
    """A Venafi server."""

    venafi_url: str
    venafi_ca_bundle: str = ""


class SearchesVenafi(CallsVenafi):
    """What proves that a search of Venafi sees everybody; without both, a search that finds nobody proves nothing."""

    #: the identity providers that people are in, as Venafi writes them (`AD+corp`, `local`)
    venafi_prefixes: CommaSeparated = frozenset()
    #: in each of them the e-mail address of somebody whom the search must find
    venafi_known_address: CommaSeparated = frozenset()


class EncryptsTokens(Settings):
    """The stack's key."""

    kms_key_arn: str


class KeepsEvidence(Settings):
    """What evidence is signed with, and where it is stored."""

    evidence_bucket: str
    evidence_key_arn: str


class ReceivesWebhooks(Settings):
    """What the front door needs."""

    #: which deliveries the bus has, and which connections there are
    deliveries_table: str
    event_bus_name: str
    secret_prefix: str


def stack_name(environ: Mapping[str, str]) -> str:
    """The stack that a function belongs to; raises InvalidSetting without one."""
    name = environ.get("STACK_NAME", "")
    if not name:
        raise InvalidSetting("the environment variable STACK_NAME is missing")
    return name


def local_world(environ: Mapping[str, str]) -> frozenset[str]:
    """The host names, beside loopback, that may be spoken to without TLS; only `local/` ever sets any."""
    return frozenset(name for name in environ.get("LEAVER_LOCAL_WORLD", "").split(",") if name)


def _sentences(error: ValidationError) -> list[str]:
    return [
        f"the environment variable {str(problem['loc'][0]).upper()} "
        + ("is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, "))
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    ]
