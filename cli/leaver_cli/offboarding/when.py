"""When access is to end, as a person writes it: a day and an hour on some city's clocks."""

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

EXAMPLE: Final = '--at "2026-12-04 17:00" --tz Europe/Berlin'


class NotATime(Exception):
    """It names no moment to come; the sentence says why, and what to write instead."""


def read_time(text: str, zone: str | None, now: datetime) -> datetime:
    """Read a moment to come, in UTC; raises NotATime."""
    try:
        told = datetime.fromisoformat(text.strip())
    except ValueError:
        raise NotATime(f"{text}: expected a day and an hour, as in {EXAMPLE}") from None
    if len(text.strip()) <= len("2026-12-04"):
        raise NotATime(f"{text}: expected an hour as well, as in {EXAMPLE}")
    if told.tzinfo is None:
        told = _on_the_clocks_of(read_zone(zone), told)
    elif zone is not None:
        raise NotATime(f"{text}: says by itself how far it is from UTC: leave out --tz")
    try:
        moment = told.astimezone(UTC)
    except OverflowError:
        raise NotATime(f"{text}: expected a time that can be told in UTC") from None
    if moment <= now:
        raise NotATime(f"{text}: lies in the past: it is {now:%Y-%m-%d %H:%M} UTC; to end access now, leave out --at")
    return moment


def read_zone(name: str | None) -> ZoneInfo:
    """Find a zone by its name; raises NotATime, with names that are like it."""
    if name is None:
        raise NotATime("on which clocks? Add --tz, as in --tz Europe/Berlin or --tz UTC")
    known = _zones()
    if name in known:
        return ZoneInfo(name)
    folded = name.strip().casefold().replace(" ", "_")
    alike = sorted(each for each in known if folded and folded in each.casefold().split("/"))
    alike = sorted(each for each in known if each.casefold() == folded) or alike
    alike = alike or get_close_matches(name, known, n=3)
    hint = f": did you mean {' or '.join(alike[:3])}?" if alike else f": expected one as in {EXAMPLE}"
    raise NotATime(f"there is no zone {name}{hint}")


def told(moment: datetime, zone: str | None, now: datetime) -> str:
    """Say a moment as the person wrote it, in UTC, and how far away it is."""
    local = f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}, " if zone and zone != "UTC" else ""
    days, rest = divmod(int((moment - now).total_seconds()) // 60, 24 * 60)
    away = " ".join(
        f"{number} {what}" for number, what in ((days, "d"), (rest // 60, "h"), (rest % 60, "min")) if number
    )
    return f"{local}{moment:%a %Y-%m-%d %H:%M} UTC, in {away or 'less than a minute'}"


@cache
def _zones() -> frozenset[str]:
    # By the list, and not by a file of that name; to make it reads a tree of folders.
    return frozenset(available_timezones())


def _on_the_clocks_of(zone: ZoneInfo, told: datetime) -> datetime:
    """The one moment at which clocks there show this."""
    first, second = (told.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if back != told:
        raise NotATime(
            f"{told:%Y-%m-%d %H:%M} does not exist in {zone.key}: clocks are put forward then; "
            f"say {back:%H:%M}, or an hour before"
        )
    ways = " or ".join(f'--at "{each:%Y-%m-%d %H:%M}{_offset(each)}"' for each in (first, second))
    raise NotATime(f"{told:%Y-%m-%d %H:%M} exists twice in {zone.key}: clocks are put back then; say {ways}")


def _offset(moment: datetime) -> str:
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
