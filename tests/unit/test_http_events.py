"""The local HTTP API makes of a request what API Gateway makes of it: an event of format 2.0."""

import base64

import pytest

from local.http_events import http_event


def test_names_are_in_lower_case_and_what_was_sent_twice_is_joined() -> None:
    event = http_event("POST", "/hibob/main", [("Bob-Signature", "a"), ("bob-signature", "b")], b"{}")
    assert event["headers"] == {"bob-signature": "a,b"}
    assert (event["version"], event["rawPath"]) == ("2.0", "/hibob/main")
    assert event["requestContext"]["http"]["method"] == "POST"


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain"])
def test_text_and_json_come_as_text(kind: str) -> None:
    event = http_event("POST", "/", [("content-type", kind)], '{"name": "Zoë"}'.encode())
    assert (event["body"], event["isBase64Encoded"]) == ('{"name": "Zoë"}', False)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"employee=333"),
        ("application/octet-stream", b"{}"),
        ("", b"{}"),
        ("application/json", b'{"name": "Zo\xeb"}'),
    ],
)
def test_all_else_comes_in_base64_byte_for_byte(kind: str, body: bytes) -> None:
    event = http_event("POST", "/", [("content-type", kind)], body)
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (body, True)


def test_without_a_body_there_is_none() -> None:
    assert "body" not in http_event("GET", "/", [], b"")
