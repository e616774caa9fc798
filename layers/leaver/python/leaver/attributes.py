"""Python values as DynamoDB's attribute values and back: text, whole numbers and truth are all that our items hold."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Value = str | int | bool


def attribute(value: Value) -> dict[str, Any]:
    """One value in DynamoDB's low-level form, such as {"N": "7"}."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    return {"S": value}


def item(values: Mapping[str, Value | None]) -> dict[str, dict[str, Any]]:
    """An item or a set of expression values; what is None is left out."""
    return {name: attribute(value) for name, value in values.items() if value is not None}


def values(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Value]:
    """What an item holds, as Python values; attributes of other types (nobody of ours writes them) are passed over."""
    found: dict[str, Value] = {}
    for name, typed in stored.items():
        kind, value = next(iter(typed.items()))
        if kind == "N":
            found[name] = int(value)
        elif kind in {"S", "BOOL"}:
            found[name] = value
    return found


def timestamp(moment: datetime) -> str:
    """ISO-8601 in UTC to the second, always as wide, so that text sorts as time does."""
    # strftime would write the year 1 as one digit
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
