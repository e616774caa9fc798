"""A statement in an envelope: whoever changes a byte of it, or signs with another key, is refused."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from leaver.evidence.canonical_json import NotCanonical
from leaver.evidence.dsse import IN_TOTO, BadEnvelope, Envelope, pre_authentication_encoding
from leaver.evidence.statement import BadStatement, Statement
from tests.evidence.conftest import Key

BUNDLE = b'{"case":"c-1"}'
STATEMENT = Statement.about(
    BUNDLE, name="c-1.json", predicate_type="https://example.com/case/v1", predicate={"state": "completed", "steps": 3}
)


def enclosed(key: Key, payload: bytes | None = None, payload_type: str = IN_TOTO) -> Envelope:
    payload = STATEMENT.to_json() if payload is None else payload
    return Envelope(payload_type, payload, key.sign(pre_authentication_encoding(payload_type, payload)), "key-1")


def test_what_is_signed_is_as_dsse_has_it() -> None:
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_are_those_of_bytes() -> None:
    assert pre_authentication_encoding("ü", "ö".encode()) == "DSSEv1 2 ü 2 ö".encode()


def test_an_envelope_is_read_as_it_was_written(key: Key) -> None:
    envelope = enclosed(key)
    assert Envelope.from_json(envelope.to_json()) == envelope
    assert envelope.verified_payload(key.is_signed) == STATEMENT.to_json()


def test_url_safe_base64_is_read_as_well() -> None:
    payload = b"\xfb\xff\xfe"
    written = {
        "payload": urlsafe_b64encode(payload).decode(),
        "payloadType": "x",
        "signatures": [{"sig": urlsafe_b64encode(payload).decode()}],
    }
    assert Envelope.from_json(json.dumps(written).encode()) == Envelope("x", payload, payload, "")


def test_another_key_has_not_signed_it(key: Key, other_key: Key) -> None:
    with pytest.raises(BadEnvelope):
        enclosed(key).verified_payload(other_key.is_signed)


def test_every_byte_of_the_payload_is_signed(key: Key) -> None:
    envelope = enclosed(key)
    for place in range(len(envelope.payload)):
        changed = bytearray(envelope.payload)
        changed[place] ^= 1
        with pytest.raises(BadEnvelope):
            Envelope(IN_TOTO, bytes(changed), envelope.signature, "key-1").verified_payload(key.is_signed)


def test_a_payload_of_another_type_is_refused_although_it_is_signed(key: Key) -> None:
    with pytest.raises(BadEnvelope):
        enclosed(key, payload_type="text/plain").verified_payload(key.is_signed)


@pytest.mark.parametrize(
    "envelope",
    [
        None,
        [],
        {},
        {"payload": "", "payloadType": "x", "signatures": []},
        {"payload": "", "payloadType": "x", "signatures": [{"sig": ""}, {"sig": ""}]},
        {"payload": "", "payloadType": "x", "signatures": [[]]},
        {"payload": "!", "payloadType": "x", "signatures": [{"sig": ""}]},
        {"payload": "ü", "payloadType": "x", "signatures": [{"sig": ""}]},
        {"payload": "YQ", "payloadType": "x", "signatures": [{"sig": ""}]},
    ],
)
def test_what_is_no_envelope_with_one_signature_is_refused(envelope: Any) -> None:
    with pytest.raises(BadEnvelope):
        Envelope.from_json(json.dumps(envelope).encode())


def test_a_statement_names_the_bundle_by_its_digest() -> None:
    read = Statement.from_json(STATEMENT.to_json())
    assert read == STATEMENT
    assert read.is_about(BUNDLE)
    assert not read.is_about(BUNDLE + b" ")


@pytest.mark.parametrize(
    "changed",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": [{"name": "c-1.json", "digest": {"md5": "0"}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "0"}}, {"name": "b", "digest": {"sha256": "0"}}]},
        {"predicate": []},
        {"predicateType": None},
    ],
)
def test_what_is_no_statement_about_one_file_is_refused(changed: dict[str, Any]) -> None:
    written = json.dumps(json.loads(STATEMENT.to_json()) | changed, sort_keys=True, separators=(",", ":"))
    with pytest.raises(BadStatement):
        Statement.from_json(written.encode())


def test_a_statement_that_two_readers_could_read_differently_is_refused() -> None:
    doubled = STATEMENT.to_json().replace(b'"steps":3', b'"steps":2,"steps":3')
    with pytest.raises(NotCanonical):
        Statement.from_json(doubled)


def test_the_signature_may_not_come_from_the_hint(key: Key, other_key: Key) -> None:
    forged = enclosed(other_key)
    named = Envelope(IN_TOTO, forged.payload, forged.signature, b64encode(key.public).decode())
    with pytest.raises(BadEnvelope):
        named.verified_payload(key.is_signed)
