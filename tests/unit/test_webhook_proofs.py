"""Each source's proof, on the very bytes of its vector."""

from datetime import UTC, datetime, timedelta

import pytest

from leaver.errors import Rejected
from leaver.webhooks.delivery import Delivery, Refused
from leaver.webhooks.proofs import standard_key
from leaver.webhooks.sources import SOURCES
from tests.doubles.front_door import OTHER_STANDARD, SECRETS, mac, sign

T = 1793611805
NOW = datetime.fromtimestamp(T, tz=UTC)
ZOE = '{"employees":[{"id":"100","fields":{"Status":"Inactive","Work Email":"zoë@example.com"}}]}'

#: source, body, signature: what others computed
VECTORS = [
    (
        "bamboohr",
        '{"type":"employee.updated","data":{"employeeId":"100","changedFields":["status"]}}',
        "2a8d11fa054297e4bb8b77f37366d15c3183296e022eda99ffffbc411eed9983",
    ),
    ("bamboohr", ZOE, "f520ead8f2241edcdaa94c7eb512d202d952c8c17a1277a3aebcfc74bf769b27"),
    (
        "hibob",
        '{"version":"v2","type":"employee.left","data":{"employeeId":"333"}}',
        "fG6AnRdEVgfERA5BXuqffI5Trv1feaENrABkBcHXj0D+kSQkDtgDFmMYEjQhkoXZKQQCuN5YUNBTA8pgApbX8g==",
    ),
    (
        "gusto",
        '{"uuid":"f7397a24","event_type":"employee.terminated_effective","entity_uuid":"a9e6"}',
        "1c49663232039c0ed0fe460284ad0754d29ecfa70683fcbc3ce18d67b97651db",
    ),
    (
        "zoom",
        '{"event":"user.deactivated","event_ts":1793611805123,"payload":{"object":{"id":"z8"}}}',
        "v0=8ea59d93065beb0d627aaabd3adb8896363a95d792a71df9db97d748d0a78bc2",
    ),
    (
        "standard",
        '{"type":"user.left","data":{"email":"ada@example.com"}}',
        "v1,KviZ/HYuACC8bGSDuZL9YJJcKyu1fCzhKl2+l1P3qto=",
    ),
]
SIGNED = ["bamboohr", "gusto", "hibob", "standard", "zoom"]
TIMED = ["bamboohr", "standard", "zoom"]


def delivery(source: str, body: bytes = b"{}", at: datetime = NOW, secret: str | None = None) -> Delivery:
    headers = {name.lower(): value for name, value in sign(source, body, at, secret=secret).items()}
    return Delivery("POST", f"/{source}/main", headers, body)


def reason(source: str, sent: Delivery, secrets: list[str] | None = None, now: datetime = NOW) -> str:
    with pytest.raises(Refused) as refused:
        SOURCES[source].proof.prove(sent, [SECRETS[source]] if secrets is None else secrets, now)
    return refused.value.reason


@pytest.mark.parametrize(("source", "body", "signature"), VECTORS)
def test_the_vector_proves_its_source(source: str, body: str, signature: str) -> None:
    sent = delivery(source, body.encode())
    assert signature in sent.headers.values()
    assert SOURCES[source].proof.prove(sent, [SECRETS[source]], NOW) == SECRETS[source]


@pytest.mark.parametrize(("source", "body", "signature"), VECTORS)
def test_one_more_byte_is_a_forgery(source: str, body: str, signature: str) -> None:
    sent = delivery(source, body.encode())
    assert signature in sent.headers.values()
    assert reason(source, Delivery("POST", sent.path, sent.headers, sent.body + b"\n")) == "wrong_signature"


@pytest.mark.parametrize("source", SOURCES)
def test_either_of_two_secrets_proves(source: str) -> None:
    new = OTHER_STANDARD if source == "standard" else "the new one"
    for signs in (SECRETS[source], new):
        sent = delivery(source, secret=signs)
        assert SOURCES[source].proof.prove(sent, [new, SECRETS[source]], NOW) == signs
    assert reason(source, delivery(source, secret=new)) == "wrong_signature"


@pytest.mark.parametrize("source", SOURCES)
def test_without_a_secret_nothing_is_proved(source: str) -> None:
    assert reason(source, delivery(source), []) == "wrong_signature"


@pytest.mark.parametrize("source", SOURCES)
def test_without_its_headers_nothing_is_proved(source: str) -> None:
    for name in delivery(source).headers:
        sent = delivery(source)
        fewer = {each: value for each, value in sent.headers.items() if each != name}
        assert reason(source, Delivery("POST", sent.path, fewer, sent.body)) == "no_signature"
        assert reason(source, Delivery("POST", sent.path, fewer | {name: ""}, sent.body)) == "no_signature"


@pytest.mark.parametrize("source", SIGNED)
def test_a_header_that_was_sent_twice_is_refused_by_name(source: str) -> None:
    for name in delivery(source).headers:
        sent = delivery(source)
        twice = {**sent.headers, name: f"{sent.headers[name]},{sent.headers[name]}"}
        assert reason(source, Delivery("POST", sent.path, twice, sent.body)) == "doubled_header"


def test_a_carried_secret_that_was_sent_twice_is_wrong() -> None:
    twice = {"authorization": f"{SECRETS['okta']},{SECRETS['okta']}"}
    assert reason("okta", Delivery("POST", "/okta/main", twice, b"{}")) == "wrong_signature"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("value", ["ä", "\udcff", "v0=", "v1", " ", "=" * 5000])
def test_a_signature_that_is_none_is_refused(source: str, value: str) -> None:
    sent = delivery(source)
    header = next(name for name in sent.headers if "signature" in name or name == "authorization")
    assert reason(source, Delivery("POST", sent.path, {**sent.headers, header: value}, sent.body)) == "wrong_signature"


def test_of_several_standard_signatures_one_has_to_be_right_and_unknown_kinds_are_passed_over() -> None:
    sent = delivery("standard")
    wrong, right = delivery("standard", secret=OTHER_STANDARD).headers["webhook-signature"], sent.headers
    shown = f"v1a,AAAA {wrong} {right['webhook-signature']}"
    several = Delivery("POST", sent.path, {**sent.headers, "webhook-signature": shown}, sent.body)
    assert SOURCES["standard"].proof.prove(several, [SECRETS["standard"]], NOW) == SECRETS["standard"]


@pytest.mark.parametrize(
    ("source", "oldest"),
    [("standard", timedelta(minutes=5)), ("bamboohr", timedelta(hours=4)), ("zoom", timedelta(hours=2))],
)
def test_a_signed_time_ages(source: str, oldest: timedelta) -> None:
    proof, second = SOURCES[source].proof, timedelta(seconds=1)
    for age in (oldest, timedelta(minutes=-5)):
        assert proof.prove(delivery(source), [SECRETS[source]], NOW + age)
    for age in (oldest + second, timedelta(minutes=-5) - second):
        assert reason(source, delivery(source), now=NOW + age) == "stale"


def test_only_timed_sources_age() -> None:
    for source in set(SOURCES) - set(TIMED):
        assert SOURCES[source].proof.prove(delivery(source), [SECRETS[source]], NOW + timedelta(days=400))


@pytest.mark.parametrize(
    ("written", "age"),
    [("2026-11-02T09:30:05Z", 0), ("2026-11-02T10:30:05+01:00", 0), ("2026-11-02 09:30:05", 0), ("soon", None)],
)
def test_bamboohr_may_write_its_time_in_either_way_and_its_bytes_are_signed_as_they_came(
    written: str, age: int | None
) -> None:
    sent = delivery("bamboohr")
    headers = {
        "x-bamboohr-timestamp": written,
        "x-bamboohr-signature": mac(SECRETS["bamboohr"].encode(), sent.body + written.encode()).hex(),
    }
    signed = Delivery("POST", sent.path, headers, sent.body)
    if age is None:
        assert reason("bamboohr", signed) == "stale"
    else:
        assert SOURCES["bamboohr"].proof.prove(signed, [SECRETS["bamboohr"]], NOW)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "ZnJvbnQtZG9vci1zdGFuZGFyZC13ZWJob29rcy1rZXk=", "whsec_ä", "whsec_a"]
)
def test_a_standard_secret_has_its_form(secret: str) -> None:
    with pytest.raises(Rejected, match="expected whsec_"):
        standard_key(secret)
