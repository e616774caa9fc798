"""What a function reads from its environment."""

from dataclasses import fields

import pytest

from leaver import settings
from leaver.settings import (
    MissingSetting,
    RetrieveUserTokenSettings,
    RevokeGrantsSettings,
    ScheduleRefreshesSettings,
    StartOffboardingSettings,
)

ENVIRONMENT = {
    "EVENT_BUS_NAME": "leaver",
    "CONNECTIONS_TABLE": "Connections",
    "REFRESH_QUEUE_URL": "https://sqs/refresh.fifo",
    "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "GIVE_UP_AFTER": "86400",
}


def test_a_setting_is_the_variable_of_its_name_in_capitals() -> None:
    assert settings.read(ScheduleRefreshesSettings, ENVIRONMENT) == ScheduleRefreshesSettings(
        event_bus_name="leaver",
        connections_table="Connections",
        refresh_queue_url="https://sqs/refresh.fifo",
        dead_letter_queue_url="https://sqs/dead",
        give_up_after=86400,
    )


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
@pytest.mark.parametrize("emptied", [True, False])
def test_a_missing_or_empty_variable_fails_by_its_name(name: str, *, emptied: bool) -> None:
    lacking = {key: value for key, value in ENVIRONMENT.items() if key != name} | ({name: ""} if emptied else {})
    with pytest.raises(MissingSetting, match=f"^the environment variable {name} is missing$"):
        settings.read(ScheduleRefreshesSettings, lacking)


@pytest.mark.parametrize("value", ["a day", "-1", "1.5", "²"])
def test_a_number_that_is_none_fails_by_its_name_without_its_value(value: str) -> None:
    with pytest.raises(MissingSetting, match=r"^the environment variable GIVE_UP_AFTER is not a whole number$"):
        settings.read(ScheduleRefreshesSettings, ENVIRONMENT | {"GIVE_UP_AFTER": value})


def test_what_has_a_default_may_be_absent() -> None:
    needed = {each.name.upper(): "1" for each in fields(RevokeGrantsSettings) if each.name != "venafi_ca_bundle"}
    assert settings.read(RevokeGrantsSettings, needed).venafi_ca_bundle == ""


@pytest.mark.parametrize(
    ("value", "values"),
    [("", set()), ("okta", {"okta"}), (" okta, caep ,,", {"okta", "caep"})],
)
def test_a_set_is_written_with_commas(value: str, values: set[str]) -> None:
    needed = {each.name.upper(): "1" for each in fields(StartOffboardingSettings)} | {"URGENT_SOURCES": value}
    assert settings.read(StartOffboardingSettings, needed).urgent_sources == values


def test_a_function_names_only_what_it_reads() -> None:
    assert {each.name for each in fields(RetrieveUserTokenSettings)} >= {"max_user_token_ttl", "kms_key_arn"}
    assert {each.name for each in fields(ScheduleRefreshesSettings)} == {name.lower() for name in ENVIRONMENT}


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        (None, set()),
        ("", set()),
        ("zoom.test", {"zoom.test"}),
        ("zoom.test,venafi.test,", {"zoom.test", "venafi.test"}),
    ],
)
def test_hosts_without_tls_are_those_that_the_local_world_names(value: str | None, hosts: set[str]) -> None:
    assert settings.local_world({} if value is None else {"LEAVER_LOCAL_WORLD": value}) == hosts
