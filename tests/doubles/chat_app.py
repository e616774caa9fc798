"""AWS's chat app (Amazon Q Developer in chat applications), as strict as its documents are about custom notifications.

Source: AWS, "Custom notifications using Amazon Q Developer in chat applications", event schema and parameter details.
What is not of that schema never appears in a channel, and nobody is told.
"""

import json
from typing import Any

#: what a part of the schema may hold, and the type of each
CONTENT = {"textType": str, "title": str, "description": str, "nextSteps": list, "keywords": list}
METADATA = {"threadId": str, "summary": str, "eventType": str, "relatedResources": list, "additionalContext": dict}
WHOLE = {"version": str, "source": str, "id": str, "content": dict, "metadata": dict}


def shown_in_channel(message: str) -> dict[str, Any]:
    """What people see of a message; AssertionError where the app would drop it."""
    told: dict[str, Any] = json.loads(message)
    for part, schema in ((told, WHOLE), (told["content"], CONTENT), (told.get("metadata", {}), METADATA)):
        assert part.keys() <= schema.keys(), f"unknown: {part.keys() - schema.keys()}"
        assert all(isinstance(value, schema[name]) for name, value in part.items())
    assert (told["version"], told["source"]) == ("1.0", "custom")
    content = told["content"]
    assert content.get("textType", "client-markdown") == "client-markdown"
    assert content["description"]
    assert all(isinstance(each, str) and each for each in content.get("nextSteps", []))
    return {**content, "thread": told.get("metadata", {}).get("threadId")}
