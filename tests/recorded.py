"""The rows that tests recorded at run time, as a report of pytest's carries them."""

import ast
from typing import Any
from xml.etree import ElementTree as ET


def recorded(report: str) -> dict[str, list[list[Any]]]:
    """Read the rows of a report, by the name under which they were recorded; none of a report that is missing."""
    rows: dict[str, list[list[Any]]] = {}
    for kept in ET.fromstring(report).iter("property") if report else ():  # noqa: S314 - pytest just wrote it
        rows.setdefault(kept.attrib["name"], []).append(ast.literal_eval(kept.attrib["value"]))
    return rows
