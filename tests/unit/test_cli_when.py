"""When access is to end, as a person writes it."""

from datetime import UTC, datetime, timedelta

import pytest

from leaver_cli.offboarding.when import NotATime, read_time, told

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-12-04 17:00", "Europe/Berlin", "2026-12-04T16:00:00"),
        ("2026-12-04 17:00", "America/New_York", "2026-12-04T22:00:00"),
        ("2026-12-04 17:00", "UTC", "2026-12-04T17:00:00"),
        ("2027-07-01 17:00", "Europe/Berlin", "2027-07-01T15:00:00"),
        (" 2026-12-04T17:00+05:30 ", None, "2026-12-04T11:30:00"),
        ("2026-12-04 17:00Z", None, "2026-12-04T17:00:00"),
        # The hour that exists twice, told apart by its offset.
        ("2027-10-31 02:30+02:00", None, "2027-10-31T00:30:00"),
        ("2027-10-31 02:30+01:00", None, "2027-10-31T01:30:00"),
    ],
)
def test_a_time_on_some_citys_clocks_is_one_moment(text: str, zone: str | None, moment: str) -> None:
    assert read_time(text, zone, NOW) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "said"),
    [
        ("friday", "UTC", "friday: expected a day and an hour, as in --at"),
        ("2026-12-04", "UTC", "2026-12-04: expected an hour as well"),
        ("2026-12-04 17:00", None, "on which clocks?"),
        ("2026-12-04 17:00Z", "UTC", "leave out --tz"),
        ("2026-11-28 12:59", "Europe/Berlin", "lies in the past: it is 2026-11-28 12:00 UTC"),
        ("0001-01-01 00:00+14:00", None, "expected a time that can be told in UTC"),
        ("2026-12-04 17:00", "berlin", "there is no zone berlin: did you mean Europe/Berlin?"),
        ("2026-12-04 17:00", "new york", "did you mean America/New_York?"),
        ("2026-12-04 17:00", "europe/berlin", "did you mean Europe/Berlin?"),
        ("2026-12-04 17:00", "Europe/Berlyn", "did you mean Europe/Berlin"),
        ("2026-12-04 17:00", "../../etc/passwd", "there is no zone ../../etc/passwd"),
        (
            "2027-03-28 02:30",
            "Europe/Berlin",
            "does not exist in Europe/Berlin: clocks are put forward then; say 03:30",
        ),
        (
            "2027-10-31 02:30",
            "Europe/Berlin",
            'clocks are put back then; say --at "2027-10-31 02:30+02:00" or --at "2027-10-31 02:30+01:00"',
        ),
    ],
)
def test_what_names_no_moment_to_come_is_told_with_what_to_write(text: str, zone: str | None, said: str) -> None:
    with pytest.raises(NotATime) as raised:
        read_time(text, zone, NOW)
    assert said in str(raised.value)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"])
def test_of_an_hour_that_exists_twice_both_ways_to_write_it_are_understood(zone: str) -> None:
    twice = []
    for minutes in range(0, 365 * 24 * 60, 30):
        text = f"{NOW + timedelta(days=40, minutes=minutes):%Y-%m-%d %H:%M}"
        try:
            read_time(text, zone, NOW)
        except NotATime as error:
            twice += str(error).split('"')[1::2]
    assert twice
    assert all(read_time(way, None, NOW) > NOW for way in twice)


def test_a_moment_is_told_on_those_clocks_in_utc_and_by_how_far_away_it_is() -> None:
    moment = datetime(2026, 12, 4, 16, 0, tzinfo=UTC)
    assert (
        told(moment, "Europe/Berlin", NOW) == "Fri 2026-12-04 17:00 Europe/Berlin, Fri 2026-12-04 16:00 UTC, in 6 d 4 h"
    )
    assert told(moment, None, NOW) == "Fri 2026-12-04 16:00 UTC, in 6 d 4 h"
    assert told(NOW + timedelta(seconds=30), "UTC", NOW) == "Sat 2026-11-28 12:00 UTC, in less than a minute"
