"""What our items hold: text, whole numbers, truth, and lists and maps of these, and what DynamoDB calls them."""

import pytest

from leaver.storage.tables import Value, item, values

STORED: list[tuple[Value, dict[str, object]]] = [
    ("7", {"S": "7"}),
    (7, {"N": "7"}),
    (True, {"BOOL": True}),
    (["a", ["b"]], {"L": [{"S": "a"}, {"L": [{"S": "b"}]}]}),
    ([], {"L": []}),
    ({"a": 1, "b": {"c": False}}, {"M": {"a": {"N": "1"}, "b": {"M": {"c": {"BOOL": False}}}}}),
]


@pytest.mark.parametrize(("value", "stored"), STORED, ids=str)
def test_a_value_is_stored_as_what_it_is_and_read_as_it_was(value: Value, stored: dict[str, object]) -> None:
    assert item({"name": value}) == {"name": stored}
    assert values({"name": stored}) == {"name": value}


def test_a_tuple_is_a_list_to_the_table() -> None:
    assert item({"name": ("a", "b")}) == {"name": {"L": [{"S": "a"}, {"S": "b"}]}}


def test_what_is_none_is_not_stored() -> None:
    assert item({"name": None, "other": ""}) == {"other": {"S": ""}}


def test_what_nobody_of_ours_writes_is_passed_over() -> None:
    assert values({"set": {"SS": ["a"]}, "nothing": {"NULL": True}, "list": {"L": [{"B": b""}, {"S": "a"}]}}) == {
        "list": ["a"]
    }


@pytest.mark.parametrize("number", ["1.5", "1E+125", "-0.000001"])
def test_a_number_that_nobody_of_ours_writes_is_left_to_the_model_to_refuse(number: str) -> None:
    assert values({"name": {"N": number}}) == {"name": number}


@pytest.mark.parametrize("other", [1.5, None, b"bytes", {1}])
def test_nothing_else_can_be_stored(other: object) -> None:
    with pytest.raises(AssertionError):
        item({"name": [other]})  # type: ignore[list-item]
