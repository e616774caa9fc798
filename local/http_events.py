"""A request as API Gateway hands it to a function: an HTTP API's event, format 2.0."""

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

from local.aws.template import Json

#: what the gateway takes for text; of anything else a function gets the bytes, in Base64
_TEXT = ("text/", "application/json", "application/javascript", "application/xml")


def http_event(
    method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes, *, route: str = "$default", query: str = ""
) -> Json:
    """Make the event: names in lower case, what was sent twice joined by a comma, and no text that is none."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    now = datetime.now(UTC)
    event = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": joined,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": joined.get("host", "local"),
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": joined.get("user-agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": route,
            "stage": "$default",
            "time": f"{now:%d/%b/%Y:%H:%M:%S +0000}",
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if not body:
        return event
    text = _as_text(joined.get("content-type", ""), body)
    return event | (
        {"body": base64.b64encode(body).decode(), "isBase64Encoded": True} if text is None else {"body": text}
    )


def _as_text(content_type: str, body: bytes) -> str | None:
    if not content_type.strip().lower().startswith(_TEXT):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
