"""What a function reads from its environment."""

import pytest

from functions.retrieve_user_token.app import Settings as RetrieveUserTokenSettings
from functions.revoke_grants.app import Settings as RevokeGrantsSettings
from functions.schedule_refreshes.app import Settings as ScheduleRefreshesSettings
from functions.seal_case.app import Settings as SealCaseSettings
from functions.start_offboarding.app import Settings as StartOffboardingSettings
from leaver.providers.registry import PROVIDERS
from leaver.settings import InvalidSetting, ServesProviders, local_world

ENVIRONMENT = {
    "EVENT_BUS_NAME": "leaver",
    "CONNECTIONS_TABLE": "Connections",
    "REFRESH_QUEUE_URL": "https://sqs/refresh.fifo",
    "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "GIVE_UP_AFTER": "86400",
    "DELIVERIES_TABLE": "Deliveries",
}
INTAKE = {name.upper(): "1" for name in StartOffboardingSettings.model_fields} | {"ZOOM_DEPARTURES": "held"}


def test_a_setting_is_the_variable_of_its_name_in_capitals() -> None:
    assert ScheduleRefreshesSettings.read(ENVIRONMENT).model_dump() == {
        "event_bus_name": "leaver",
        "connections_table": "Connections",
        "refresh_queue_url": "https://sqs/refresh.fifo",
        "dead_letter_queue_url": "https://sqs/dead",
        "give_up_after": 86400,
        "deliveries_table": "Deliveries",
    }


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
@pytest.mark.parametrize("emptied", [True, False])
def test_a_missing_or_empty_variable_fails_by_its_name(name: str, *, emptied: bool) -> None:
    lacking = {key: value for key, value in ENVIRONMENT.items() if key != name} | ({name: ""} if emptied else {})
    with pytest.raises(InvalidSetting, match=f"^the environment variable {name} is missing$"):
        ScheduleRefreshesSettings.read(lacking)


@pytest.mark.parametrize(("value", "names"), [("zoom,venafi", ["zoom", "venafi"]), (" zoom ,", ["zoom"])])
def test_the_company_has_the_providers_that_are_named(value: str, names: list[str]) -> None:
    assert list(ServesProviders.read({"PROVIDERS": value}).served(PROVIDERS)) == names


@pytest.mark.parametrize("value", ["zoom,canary-71", "Zoom", ","])
def test_a_provider_that_is_not_in_the_registry_fails_by_the_variables_name_without_its_value(value: str) -> None:
    with pytest.raises(InvalidSetting) as failed:
        ServesProviders.read({"PROVIDERS": value}).served(PROVIDERS)
    assert str(failed.value) == "the environment variable PROVIDERS: expected one or more of zoom, venafi"


@pytest.mark.parametrize("value", ["a day", "-1", "1.5", "²"])
def test_a_number_that_is_none_fails_by_its_name_without_its_value(value: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^the environment variable GIVE_UP_AFTER is not a whole number$"):
        ScheduleRefreshesSettings.read(ENVIRONMENT | {"GIVE_UP_AFTER": value})


@pytest.mark.parametrize("value", ["Held", "canary-71"])
def test_a_word_that_is_none_of_those_expected_fails_by_its_name_without_its_value(value: str) -> None:
    with pytest.raises(InvalidSetting) as failed:
        StartOffboardingSettings.read(INTAKE | {"DEACTIVATE_USERS": "true", "ZOOM_DEPARTURES": value})
    assert str(failed.value).startswith("the environment variable ZOOM_DEPARTURES ")
    assert "canary" not in str(failed.value)


def test_what_has_a_default_may_be_absent() -> None:
    fields = RevokeGrantsSettings.model_fields
    defaults = {"venafi_ca_bundle", "venafi_prefixes", "venafi_known_address", "missing_user_is_done"}
    needed = {name.upper(): "1" for name in fields if name not in defaults}
    settings = RevokeGrantsSettings.read(needed)
    assert settings.venafi_ca_bundle == ""
    assert settings.venafi_prefixes == settings.venafi_known_address == frozenset()


@pytest.mark.parametrize(
    ("value", "values"),
    [("", set()), ("okta", {"okta"}), (" okta, caep ,,", {"okta", "caep"})],
)
def test_a_set_is_written_with_commas(value: str, values: set[str]) -> None:
    needed = INTAKE | {"DEACTIVATE_USERS": "true", "URGENT_SOURCES": value}
    assert StartOffboardingSettings.read(needed).urgent_sources == values


@pytest.mark.parametrize(("value", "is_done"), [("true", True), ("false", False), ("", False)])
def test_a_flag_is_true_or_false(value: str, *, is_done: bool) -> None:
    needed = INTAKE | {"DEACTIVATE_USERS": value}
    assert StartOffboardingSettings.read(needed).deactivate_users is is_done


def test_where_a_missing_user_is_done_with_is_told_by_account_or_by_provider() -> None:
    needed = {name.upper(): "1" for name in SealCaseSettings.model_fields}
    told = SealCaseSettings.read(needed | {"MISSING_USER_IS_DONE": "zoom/acme, venafi"})
    assert told.done_where_missing(PROVIDERS) == {"zoom/acme", "venafi"}
    assert SealCaseSettings.read(needed | {"MISSING_USER_IS_DONE": ""}).done_where_missing(PROVIDERS) == set()


@pytest.mark.parametrize("value", ["true", "acme", "zoom,canary-7d1f/acme", "Zoom"])
def test_a_place_that_is_nowhere_fails_by_the_variables_name_without_its_value(value: str) -> None:
    needed = {name.upper(): "1" for name in SealCaseSettings.model_fields} | {"MISSING_USER_IS_DONE": value}
    with pytest.raises(InvalidSetting) as refused:
        SealCaseSettings.read(needed).done_where_missing(PROVIDERS)
    assert "MISSING_USER_IS_DONE: expected one or more of zoom, venafi" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("value", ["True", "1", "yes", "canary-7d1f"])
def test_a_flag_that_is_neither_fails_by_its_name_without_its_value(value: str) -> None:
    needed = INTAKE | {"DEACTIVATE_USERS": value}
    sentence = "^the environment variable DEACTIVATE_USERS is neither true nor false$"
    with pytest.raises(InvalidSetting, match=sentence):
        StartOffboardingSettings.read(needed)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    wrong = {name: "" if name == "EVENT_BUS_NAME" else "a day" for name in ENVIRONMENT}
    with pytest.raises(InvalidSetting) as caught:
        ScheduleRefreshesSettings.read(wrong)
    assert str(caught.value) == (
        "the environment variable EVENT_BUS_NAME is missing; "
        "the environment variable GIVE_UP_AFTER is not a whole number"
    )


def test_a_function_names_only_what_it_reads() -> None:
    assert set(RetrieveUserTokenSettings.model_fields) >= {"max_user_token_ttl", "kms_key_arn"}
    assert set(ScheduleRefreshesSettings.model_fields) == {name.lower() for name in ENVIRONMENT}


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
    assert local_world({} if value is None else {"LEAVER_LOCAL_WORLD": value}) == hosts
