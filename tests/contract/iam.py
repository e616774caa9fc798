"""What IAM answers to a request: a deny counts before every allow, and what nobody allows is denied."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

#: a statement of a policy, nothing in it left to resolve
Statement: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Caller:
    """Who asks: somebody with an ARN of their own, a service for one of its resources, or nobody known."""

    name: str
    #: keys that AWS fills in for this caller; what it does not know of a caller is no key at all
    context: Mapping[str, str] = field(default_factory=dict)
    service: str | None = None
    #: what the caller's own policies say; nobody outside the account has any here
    own: tuple[Statement, ...] = ()


def rule(arn: str) -> Caller:
    """EventBridge, delivering for a rule: it comes as a service, without any principal's ARN."""
    return Caller(arn, {"aws:SourceArn": arn}, service="events.amazonaws.com")


def principal(arn: str, own: Iterable[Statement]) -> Caller:
    """A role or a user of this account."""
    return Caller(arn, {"aws:PrincipalArn": arn}, own=tuple(own))


def administrator(arn: str) -> Caller:
    """Somebody whose own policies allow everything: only a deny keeps them out."""
    return principal(arn, [{"Effect": "Allow", "Action": "*", "Resource": "*"}])


ANONYMOUS = Caller("anonymous")


def is_allowed(
    caller: Caller,
    action: str,
    resource: str,
    of_resource: Iterable[Statement],
    asked: Mapping[str, str | list[str]] = MappingProxyType({}),
) -> bool:
    """Whether this caller may do that; `asked` are the request's own keys."""
    context: dict[str, str | list[str]] = {"aws:SecureTransport": "true", **caller.context, **asked}
    speaks = [each for each in of_resource if _is_about(each["Principal"], caller)]
    found = [
        each["Effect"]
        for each in (*caller.own, *speaks)
        if any(matches(pattern, action) for pattern in _listed(each["Action"]))
        and any(matches(pattern, resource) for pattern in _listed(each["Resource"]))
        and all(
            holds(operator, key, values, context)
            for operator, keys in each.get("Condition", {}).items()
            for key, values in keys.items()
        )
    ]
    return "Deny" not in found and "Allow" in found


def holds(operator: str, key: str, values: object, context: Mapping[str, str | list[str]]) -> bool:
    """Whether one condition holds: of a key that is not there only what is negated does, and ForAllValues."""
    wanted = [str(each) for each in _listed(values)]
    assert wanted, f"AWS takes no {operator} {key} without a value"
    present = key in context
    if operator == "Null":
        return (wanted == ["true"]) is not present
    quantifier, _, comparison = operator.rpartition(":")
    compares = _COMPARISONS[comparison.replace("Not", "")]
    negated = "Not" in comparison
    if not present:
        return quantifier == "ForAllValues" or (negated and quantifier == "")
    given = _listed(context[key])
    assert quantifier or len(given) == 1, f"{key} has several values: {operator} says nothing of which"
    each_holds = [any(compares(pattern, value) for pattern in wanted) is not negated for value in given]
    return all(each_holds) if quantifier == "ForAllValues" else any(each_holds)


def _is_about(who: object, caller: Caller) -> bool:
    if who == "*":
        return True
    assert isinstance(who, dict)
    assert who.keys() == {"Service"}, f"nobody has said yet what {who} is"
    return caller.service in _listed(who["Service"])


@cache
def matches(pattern: str, value: str) -> bool:
    """Match as IAM does: * any characters, slashes too; ? exactly one; nothing else is special."""
    letters = ({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch("".join(letters), value, re.DOTALL) is not None


@cache
def _arn_like(pattern: str, value: str) -> bool:
    # By part: a wildcard does not reach over a colon, but for the last.
    parts, found = pattern.split(":", 5), value.split(":", 5)
    return len(parts) == len(found) and all(map(matches, parts, found))


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "StringEquals": str.__eq__,
    "StringLike": matches,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
}


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
