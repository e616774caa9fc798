"""The stack itself, who sits in front of it, the two clocks, and which code runs where."""

import re
from datetime import timedelta
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import Final

from leaver_cli.deployment import LARGEST_SKEW
from leaver_cli.doctor.row import Row, Trouble
from leaver_cli.doctor.seat import Seat

_SETTLED: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_COMPLETE")
_ASSUMED: Final = re.compile(r"arn:([a-z-]+):sts::([0-9]{12}):assumed-role/([^/]+)/.+")


def look_at_stack(seat: Seat) -> Row:
    """Whether the stack is there as it was deployed last."""
    status = seat.description["StackStatus"]
    says = f"{seat.name} in {seat.region}, {status.lower().replace('_', ' ')}"
    if status in _SETTLED:
        return Row("stack", says)
    reason = seat.description.get("StackStatusReason", "")
    what = f"the stack is {status}{f': {reason}' if reason else ''}"
    return Row("stack", says, (Trouble(what, "deploy again, or wait: sam deploy; its events say what failed"),))


def look_at_you(seat: Seat) -> Row:
    """Whether whoever asks is an operator: queues and bus deny everybody else."""
    who = seat.sts.get_caller_identity()["Arn"]
    operators = seat.outputs.get("Operators", "").split(",")
    role = _role_of(who)
    if any(_is_meant(role, each.strip()) for each in operators):
        return Row("you", f"{who}, an operator")
    to_do = f"deploy with your entry in Operators ({role}): docs/deploy.md#who-may-speak"
    return Row("you", who, (Trouble(f"{role} is none of the operators: queues and bus deny you", to_do),))


def look_at_clock(seat: Seat) -> Row:
    """By how much this machine's clock is wrong: AWS signs its answers with the time."""
    ahead = seat.deployment.ahead
    seconds = round(abs(ahead).total_seconds())
    if abs(ahead) <= LARGEST_SKEW:
        return Row("clock", f"right to within {seconds} seconds")
    says = f"{seconds} seconds {'behind' if ahead > timedelta(0) else 'ahead of'} AWS's"
    what = f"this machine's clock is {says}"
    return Row("clock", says, (Trouble(what, "set this machine's clock: no connection can be changed by it"),))


def look_at_versions(seat: Seat) -> Row:
    """Whether command line and stack are of one version; which code the functions run, a probe says."""
    own, deployed = version("leaver"), seat.outputs.get("Version", "older than 0.1")
    says = f"command line {own}, stack {deployed}"
    if own == deployed:
        return Row("versions", says)
    to_do = "install the command line of the deployed version, or deploy this one: make build, sam deploy"
    return Row("versions", says, (Trouble(f"the command line is {own}, and the stack {deployed}", to_do),))


def _role_of(arn: str) -> str:
    """The role or user behind a session, as far as its name says: AWS leaves the role's path out."""
    found = _ASSUMED.fullmatch(arn)
    return f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}" if found else arn


def _is_meant(role: str, entry: str) -> bool:
    """Whether an entry of Operators admits a role, wherever the role's path leads."""
    if entry.endswith(":root"):
        return role.split(":")[4] == entry.split(":")[4]
    kind, _, path = entry.partition("/")
    return fnmatchcase(role, entry) or fnmatchcase(role, f"{kind}/{path.rpartition('/')[2]}")
