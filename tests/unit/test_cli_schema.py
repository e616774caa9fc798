"""`leaver schema`: what Leaver takes and announces, as the models have it, and the page that is made of them."""

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped] # its stubs are another package, for one test
import pytest
from typer.testing import CliRunner

from leaver_cli.main import app
from leaver_cli.schema import MODELS, reference_page

ROOT = Path(__file__).parents[2]


def printed(*arguments: str) -> str:
    result = CliRunner(mix_stderr=False).invoke(app, ["schema", *arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_the_page_in_docs_is_the_one_that_the_models_make() -> None:
    page = (ROOT / "docs" / "messages.md").read_text()
    assert page == reference_page() == printed("--page"), "leaver schema --page > docs/messages.md"


def test_our_own_example_keeps_to_the_schema_and_a_misspelt_field_does_not() -> None:
    [record] = json.loads((ROOT / "events" / "start_offboarding.json").read_text())["Records"]
    event = json.loads(record["body"])["detail"]
    told = json.loads(printed("OffboardingRequested"))
    jsonschema.Draft202012Validator(told).validate(event)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(told).validate(event | {"efective_at": event["effective_at"]})


def test_all_messages_are_one_schema_and_each_says_what_its_fields_are() -> None:
    told = json.loads(printed())
    assert told["$defs"].keys() >= MODELS.keys()
    jsonschema.Draft202012Validator.check_schema(told)
    fields = told["$defs"]["RevokeGrants"]["properties"]
    assert fields["connection"]["description"].startswith("left out, of a command on a person")
    assert fields["email"]["anyOf"][0]["x-expected"] == "an e-mail address"
    assert "a time, ISO 8601" in reference_page()


def test_a_message_that_is_not_there_is_wrong_usage() -> None:
    result = CliRunner(mix_stderr=False).invoke(app, ["schema", "Ofboarding\x9b"])
    assert result.exit_code == 2
    assert "expected one of OffboardingRequested, Begin" in " ".join(result.stderr.split())
    assert "\x9b" not in result.stderr
