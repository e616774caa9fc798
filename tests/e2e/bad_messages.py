"""Messages that can't be understood, function by function: what is sent, and the reason that it is parked with."""

from typing import Any
from uuid import uuid4

from tests.e2e.watched_world import in_seconds

USER_ID = "user_id: expected a Zoom user id or an e-mail address"
CONNECTION_NAME = "connection: expected up to 32 lower-case letters, digits and hyphens, a letter first"
NO_SUCH_CONNECTION = "connection: expected the name of a connection that exists"
ONE_TARGET = "expected exactly one of grantee_prefixed_universal, identity, application_id"
ALLOWED_FOR_GRANTS = (
    "unknown field (allowed: account, alias, application_id, case_id, confirm, connection, email, found_by, "
    "grantee_prefixed_universal, identity, requested_at, urgency)"
)
ZAK = {"user_id": "ada@example.com"}
#: something that must not turn up anywhere but in the parked message's own body
SECRET = "hunter2"


def event(detail_type: str, detail: object, **more: Any) -> dict[str, Any]:
    """An event as a rule delivers it."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": detail_type,
        "source": "leaver.command",
        "time": in_seconds(0),
        "resources": [],
        "detail": detail,
        **more,
    }


BAD: dict[str, dict[str, tuple[object, str]]] = {
    "revoke_sso_token": {
        "no JSON": ('{"user_id": "ada@exa', "body: expected JSON"),
        "nothing": (" ", "body: expected JSON"),
        "a list": (["ada@example.com"], "body: expected a JSON object"),
        "a text": ('"ada@example.com"', "body: expected a JSON object"),
        "an event whose detail is a text": (
            event("RevokeSsoToken", "ada@example.com"),
            "detail: expected a JSON object",
        ),
        "an event without a time": (
            {"detail-type": "RevokeSsoToken", "detail": {"user_id": "ada@example.com"}},
            "time: expected the event's time, ISO-8601",
        ),
        "an event of another type": (
            event("RevokeEverything", {"user_id": "ada@example.com"}),
            "detail-type: expected RevokeSsoToken",
        ),
        "a replayed event": (
            event("RevokeSsoToken", {"user_id": "ada@example.com"}, **{"replay-name": "after-the-outage"}),
            "a replayed event is not carried out: send the command anew if it is meant",
        ),
        "a field missing": ({}, "user_id: is missing"),
        "an unknown field": (
            {"user_id": "ada@example.com", SECRET: 1},
            "unknown field (allowed: account, alias, case_id, connection, email, requested_at, urgency, user_id)",
        ),
        "a number for a text": ({"user_id": 7}, "user_id: Input should be a valid string"),
        "nobody": ({"user_id": ""}, USER_ID),
        "a slash": ({"user_id": f"ada/{SECRET}"}, USER_ID),
        "a way up": ({"user_id": f"ada/../{SECRET}"}, USER_ID),
        "dots": ({"user_id": ".."}, USER_ID),
        "a dot": ({"user_id": "."}, USER_ID),
        "a control character": ({"user_id": f"ada\n{SECRET}"}, USER_ID),
        "a null character": ({"user_id": f"{SECRET}\0"}, USER_ID),
        "a percent sign": ({"user_id": f"..%2f{SECRET}"}, USER_ID),
        "too much": ({"user_id": SECRET * 40}, USER_ID),
        "a connection's name that can't be one": (
            {"user_id": "ada@example.com", "connection": f"../{SECRET}"},
            CONNECTION_NAME,
        ),
        "a connection that nobody made": (
            {"user_id": "ada@example.com", "connection": "nobody-made-this"},
            NO_SUCH_CONNECTION,
        ),
        "me": (
            {"user_id": "me"},
            "user_id: expected an id or an e-mail address; me is whoever consented",
        ),
        "an urgency that there is not": (
            {"user_id": "ada@example.com", "urgency": SECRET},
            "urgency: Input should be 'urgent' or 'routine'",
        ),
        "a case that can't be one": (
            {"user_id": "ada@example.com", "case_id": f"message#{SECRET}"},
            "case_id: expected up to 128 letters, digits and _ . : -",
        ),
        "two things wrong": (
            {"connection": "Zoom", "user_id": "a b"},
            f"connection: {CONNECTION_NAME.removeprefix('connection: ')}; {USER_ID}",
        ),
        "a command older than 14 days": (
            {"user_id": "ada@example.com", "requested_at": in_seconds(-15 * 86400)},
            "older than 14 days: it might hit somebody who was hired again",
        ),
    },
    "retrieve_user_token": {
        "the seed's own ttl": ({**ZAK, "ttl": 68423085}, "ttl: Input should be less than or equal to 31536000"),
        "more than the deployment allows": (
            {**ZAK, "ttl": 7201},
            "ttl: expected at most 7200, the deployment's MaxUserTokenTtl",
        ),
        "no time at all": ({**ZAK, "ttl": 0}, "ttl: Input should be greater than or equal to 1"),
        "a text for a number": ({**ZAK, "ttl": "7200"}, "ttl: Input should be a valid integer"),
        "a truth for a number": ({**ZAK, "ttl": True}, "ttl: Input should be a valid integer"),
        "a type that there is not": ({**ZAK, "type": "zpk"}, "type: Input should be 'zak', 'token' or 'onbehalf'"),
        "a ttl for a token": ({**ZAK, "type": "token", "ttl": 60}, "ttl: expected only with type zak or onbehalf"),
        "a meeting for a zak": (
            {**ZAK, "meeting_id": "4711"},
            "meeting_id: expected with type onbehalf, and only then",
        ),
        "no meeting for onbehalf": (
            {**ZAK, "type": "onbehalf"},
            "meeting_id: expected with type onbehalf, and only then",
        ),
        "a meeting that can't be one": (
            {**ZAK, "type": "onbehalf", "meeting_id": f"4711&{SECRET}"},
            "meeting_id: expected a meeting number, as a string",
        ),
        "me": (
            {"user_id": "me"},
            "user_id: expected an id or an e-mail address; me is whoever consented",
        ),
    },
    "revoke_grants": {
        "both keys": ({"grantee_prefixed_universal": "local:{ada}", "application_id": SECRET}, ONE_TARGET),
        "no key": ({}, ONE_TARGET),
        "an application without the words": (
            {"application_id": SECRET},
            'confirm: expected the words "every user of this application"',
        ),
        "an application with other words": (
            {"application_id": SECRET, "confirm": "yes"},
            'confirm: expected the words "every user of this application"',
        ),
        "the words without an application": (
            {"identity": "ada", "confirm": "every user of this application"},
            "confirm: expected only with application_id",
        ),
        "an application by event": (
            event("RevokeGrants", {"application_id": SECRET, "confirm": "every user of this application"}),
            "application_id: expected only in a message sent straight to the queue",
        ),
        "Venafi's own spelling": (
            {"GranteePrefixedUniversal": "local:{ada}"},
            ALLOWED_FOR_GRANTS,
        ),
        "a control character": (
            {"identity": f"ada\r{SECRET}"},
            "identity: expected up to 256 characters, none of them a control character",
        ),
        "a wildcard": (
            {"identity": "a*"},
            "identity: expected a name or an e-mail address, without wildcards",
        ),
    },
    "purge_user_tokens": {
        "a path": ({"user_id": f"../{SECRET}"}, USER_ID),
        "a connection that nobody made": (
            {"user_id": "KDcuGIm1QgePTO8WbOqwIQ", "connection": "nobody-made-this"},
            NO_SUCH_CONNECTION,
        ),
    },
    "revoke_access_token": {
        "no connection": ({}, "connection: is missing"),
        "a connection that nobody made": ({"connection": "nobody-made-this"}, NO_SUCH_CONNECTION),
    },
    "refresh_access_token": {
        "a connection that nobody made": ({"connection": "nobody-made-this"}, NO_SUCH_CONNECTION),
        "a version that can't be one": (
            {"connection": "zoom", "failed_version": SECRET},
            "failed_version: expected a secret's version id",
        ),
    },
    "schedule_refreshes": {
        "what only Leaver itself may ask": (
            {"connection": "zoom", "for_revocation": True},
            "for_revocation: expected only from revoke_access_token",
        ),
    },
    "seal_case": {
        "a case that is not there": ({"case_id": "c-nobody"}, "case_id: expected the id of a case that exists"),
        "a case's id that can't be one": (
            {"case_id": f"message#{SECRET}"},
            "case_id: expected up to 128 letters, digits and _ . : -",
        ),
    },
    "reconcile": {
        "a column too many": (
            {"roster": "csv", "everybody": SECRET},
            (
                "unknown field (allowed: account, alias, case_id, connection, dry_run, goes_on, key, requested_at, "
                "roster, run, urgency)"
            ),
        ),
    },
    "look_up_person": {
        "nobody's id": (
            {"unnamed": {"event_id": "e-1", "source": "hibob", "source_id": SECRET}, "missing": "look it up"},
            "unnamed.kind: is missing; unnamed.effective_at: is missing; unnamed.occurred_at: is missing",
        ),
    },
    "start_offboarding": {
        "an unknown source": (
            event("UserDeleted", {"user": SECRET}, source="hr.example.com"),
            "source: expected leaver.hr, or one that begins with aws.partner/okta.com/ or aws.partner/sailpoint.com/",
        ),
        "an Okta event about nobody": (
            event(
                "SystemLog",
                {
                    "uuid": "ab62c0bc-2837-11eb-9823-9fb8f750c5a9",
                    "eventType": "user.lifecycle.deactivate",
                    "outcome": {"result": "SUCCESS"},
                    "published": in_seconds(0),
                    "actor": {"id": "00u1", "type": "User"},
                    "target": [{"id": "0oa1", "type": "AppInstance", "alternateId": SECRET}],
                },
                source="aws.partner/okta.com/acme/leaver",
            ),
            "target: expected exactly one of type User",
        ),
    },
}
