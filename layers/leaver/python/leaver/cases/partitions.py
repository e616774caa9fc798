"""The partitions of the Cases table: one for each kind of thing, so that a role can be given one and not another."""

from datetime import datetime
from typing import Final

#: the Cases table's key
KEY: Final = ("partition", "entry")
#: the log of all cases' statements
LOG: Final = "log#cases"
#: how the receipt's id begins of a command that belongs to no case
OF_A_MESSAGE: Final = "message#"


def of_case(case_id: str) -> str:
    """The case alone."""
    return f"case#{case_id}"


def of_receipts(case_id: str) -> str:
    """The receipts of a case's steps; `message#<id>` is a partition of its own."""
    return case_id if case_id.startswith(OF_A_MESSAGE) else f"receipts#{case_id}"


def of_person(name: str) -> str:
    """What is remembered of somebody under one name."""
    return f"person#{name}"


def of_erased(hashed: str) -> str:
    """The same of somebody who was erased, under the name's keyed hash."""
    return of_person(f"erased:{hashed}")


def of_hour(at: datetime, *what: str | int) -> str:
    """Who was counted in an hour, and how many."""
    return "#".join(["hour", f"{at:%Y-%m-%dT%H}", *map(str, what)])


def of_day(at: datetime) -> str:
    """What was heard on a day, in UTC."""
    return f"heard#{at:%Y-%m-%d}"


def of_user_token(zoom_user_id: str) -> str:
    """What is told of the user tokens that are kept of one person."""
    return f"user-token#{zoom_user_id}"


def of_address(marked: str) -> str:
    """For whom tokens were fetched under an address, by the address's mark."""
    return f"user-token#address:{marked}"


def of_evidence(case_id: str) -> str:
    """What a case's evidence takes: the key of its commitments, and where its statement stands in the log."""
    return f"evidence#{case_id}"
