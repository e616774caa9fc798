"""A page that stands alone: no script, nothing from anywhere, and what comes from outside is text and never markup."""

from html import escape
from pathlib import Path
from typing import Final

#: nothing is loaded, whatever stands in the page
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE: Final = Path(__file__).with_name("page.css").read_text(encoding="utf-8")


class Html(str):
    """Text that is markup already: made by `tag` and `page` alone."""

    __slots__ = ()


def tag(name: str, *inside: object, **attributes: str) -> Html:
    """An element. What stands inside is escaped unless it was made here; None is left out."""
    # Python has `class` and `for` for itself, and no hyphens.
    said = "".join(f' {each.rstrip("_").replace("_", "-")}="{escape(value)}"' for each, value in attributes.items())
    return Html(f"<{name}{said}>{joined(*inside)}</{name}>")


def joined(*inside: object) -> Html:
    """One after the other."""
    return Html(
        "".join(each if isinstance(each, Html) else escape(printable(str(each))) for each in inside if each is not None)
    )


def printable(text: str) -> str:
    """The text without what would turn the writing around it, or hide in it."""
    return "".join(each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text)


def page(title: str, *inside: object) -> str:
    """A whole page."""
    head = joined(
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="referrer" content="no-referrer">'),
        tag("title", title),
        tag("style", Html(_STYLE)),
    )
    return f'<!doctype html>\n<html lang="en">{tag("head", head)}{tag("body", tag("main", *inside))}</html>\n'


def facts(*pairs: tuple[str, object]) -> Html:
    """What is known, by its name; what is not is left out."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value), class_="facts")


def table(columns: tuple[str, ...], *rows: tuple[object, ...]) -> Html:
    """A table, whose rows are cards where there is little room."""
    head = tag("thead", tag("tr", *(tag("th", each) for each in columns)))
    body = (
        tag("tr", *(tag("td", tag("span", cell), data_name=name) for name, cell in zip(columns, row, strict=True)))
        for row in rows
    )
    return tag("table", head, tag("tbody", *body))
