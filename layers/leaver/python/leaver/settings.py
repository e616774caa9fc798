"""What each function reads from its environment: one frozen class per function, naming only what it reads."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TypeVar

Settings = TypeVar("Settings")


class MissingSetting(Exception):
    """A function was deployed without a variable that it needs, or with one that it can't use."""


@dataclass(frozen=True, kw_only=True)
class RetrieveUserTokenSettings:
    """For `retrieve_user_token`."""

    event_bus_name: str
    cases_table: str
    connections_table: str
    secret_prefix: str
    zoom_api_url: str
    refresh_queue_url: str
    dead_letter_queue_url: str
    kms_key_arn: str
    #: seconds
    max_user_token_ttl: int
    #: seconds since a message was first received
    give_up_after: int
    pace_table: str
    #: what the provider takes from one account, from everybody together
    requests_per_second: int


@dataclass(frozen=True, kw_only=True)
class RefreshAccessTokenSettings:
    """For `refresh_access_token`; the providers' hosts are named by their entries."""

    event_bus_name: str
    #: for the tombstones in it
    cases_table: str
    connections_table: str
    secret_prefix: str
    kms_key_arn: str
    dead_letter_queue_url: str
    give_up_after: int


@dataclass(frozen=True, kw_only=True)
class RevokeAccessTokenSettings:
    """For `revoke_access_token`; the providers' hosts are named by their entries."""

    event_bus_name: str
    cases_table: str
    connections_table: str
    secret_prefix: str
    refresh_queue_url: str
    dead_letter_queue_url: str
    give_up_after: int


@dataclass(frozen=True, kw_only=True)
class RevokeSsoTokenSettings:
    """For `revoke_sso_token`."""

    event_bus_name: str
    cases_table: str
    connections_table: str
    secret_prefix: str
    zoom_api_url: str
    refresh_queue_url: str
    dead_letter_queue_url: str
    give_up_after: int
    pace_table: str
    #: what the provider takes from one account, from everybody together
    requests_per_second: int
    #: "true" where a step is done although the provider does not know the user, and nobody has confirmed who is meant
    missing_user_is_done: str = ""


@dataclass(frozen=True, kw_only=True)
class PurgeUserTokensSettings:
    """For `purge_user_tokens`."""

    event_bus_name: str
    cases_table: str
    connections_table: str
    secret_prefix: str
    zoom_api_url: str
    refresh_queue_url: str
    dead_letter_queue_url: str
    give_up_after: int
    pace_table: str
    #: what the provider takes from one account, from everybody together
    requests_per_second: int


@dataclass(frozen=True, kw_only=True)
class DeactivateUserSettings:
    """For `deactivate_user`."""

    event_bus_name: str
    cases_table: str
    connections_table: str
    secret_prefix: str
    zoom_api_url: str
    refresh_queue_url: str
    dead_letter_queue_url: str
    give_up_after: int
    pace_table: str
    #: what the provider takes from one account, from everybody together
    requests_per_second: int
    #: "true" where a step is done although the provider does not know the user, and nobody has confirmed who is meant
    missing_user_is_done: str = ""


@dataclass(frozen=True, kw_only=True)
class RevokeGrantsSettings:
    """For `revoke_grants`."""

    event_bus_name: str
    cases_table: str
    connections_table: str
    secret_prefix: str
    venafi_url: str
    venafi_ca_bundle: str = ""
    refresh_queue_url: str
    dead_letter_queue_url: str
    give_up_after: int
    pace_table: str
    #: what the provider takes from one account, from everybody together
    requests_per_second: int
    #: "true" where a step is done although the provider does not know the user, and nobody has confirmed who is meant
    missing_user_is_done: str = ""


@dataclass(frozen=True, kw_only=True)
class ScheduleRefreshesSettings:
    """For `schedule_refreshes`."""

    event_bus_name: str
    connections_table: str
    refresh_queue_url: str
    dead_letter_queue_url: str
    give_up_after: int


@dataclass(frozen=True, kw_only=True)
class StartOffboardingSettings:
    """For `start_offboarding`."""

    event_bus_name: str
    cases_table: str
    connections_table: str
    secret_prefix: str
    zoom_api_url: str
    refresh_queue_url: str
    dead_letter_queue_url: str
    give_up_after: int
    pace_table: str
    #: what the provider takes from one account, from everybody together
    requests_per_second: int
    #: seconds after which a case that is not done is announced as overdue
    case_deadline: int
    #: how many routine cases may begin in an hour before one is held
    routine_cases_an_hour: int
    #: "true" where the deployment wants leavers' Zoom accounts deactivated
    deactivate_users: str = ""
    #: HR sources, as OffboardingRequested names them, whose every event is urgent
    urgent_sources: frozenset[str] = frozenset()
    sailpoint_lifecycle_attribute: str
    #: what that attribute says of somebody who left, and of somebody who is here
    sailpoint_left_values: frozenset[str] = frozenset()
    sailpoint_active_values: frozenset[str] = frozenset()
    sailpoint_email_domain: str = ""


@dataclass(frozen=True, kw_only=True)
class WatchDeadlinesSettings:
    """For `watch_deadlines`."""

    event_bus_name: str
    cases_table: str
    connections_table: str
    secret_prefix: str
    dead_letter_queue_url: str
    give_up_after: int
    case_deadline: int
    #: seconds after a case's end at which it is looked at once more for access that came back; 0: never
    sweep_after: int
    missing_user_is_done: str = ""


def read(kind: type[Settings], environ: Mapping[str, str]) -> Settings:
    """Read a settings class from the environment; a field is the variable of the same name in capitals.

    Sets are written with commas. Raises MissingSetting with the variable's name where one without a default is absent
    or empty, or is no number.
    """
    found: dict[str, str | int | frozenset[str]] = {}
    for field in fields(kind):  # type: ignore[arg-type]  # a TypeVar can't be bound to "any dataclass"
        name = field.name.upper()
        text = environ.get(name, "")
        if not text:
            if field.default is MISSING:
                raise MissingSetting(f"the environment variable {name} is missing")
            continue
        if field.type is int:
            if not text.isdecimal():
                raise MissingSetting(f"the environment variable {name} is not a whole number")
            found[field.name] = int(text)
        elif field.type == frozenset[str]:
            found[field.name] = frozenset(part.strip() for part in text.split(",") if part.strip())
        else:
            found[field.name] = text
    return kind(**found)


def local_world(environ: Mapping[str, str]) -> frozenset[str]:
    """The host names, beside loopback, that may be spoken to without TLS; only `local/` ever sets any."""
    return frozenset(name for name in environ.get("LEAVER_LOCAL_WORLD", "").split(",") if name)
