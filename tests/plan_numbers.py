"""The numbers of a plan's page, with the places in the JSON that they claim to be from."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class Numbers(HTMLParser):
    """Numbers of a page with where they come from, and the text outside of any number."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[tuple[str, str, str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.rest: list[str] = []
        self.stack: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "input", "br", "link", "use", "path", "rect", "line"):
            self.stack.append((tag, dict(attrs)))
        given = dict(attrs)
        if tag == "data":
            self.numbers.append((given["data-path"], given["value"], given["data-format"], ""))
        if "data-text" in given:
            self.texts.append((given["data-text"], ""))

    def handle_endtag(self, tag: str) -> None:
        while self.stack and any(name == tag for name, _ in self.stack):
            name, _ = self.stack.pop()
            if name == tag:
                break

    def handle_data(self, data: str) -> None:
        tags = {name for name, _ in self.stack}
        glossary = any(given.get("class") == "words" for _, given in self.stack)
        if glossary or tags & {"svg", "script", "style", "title"}:
            return
        if "data" in tags:
            self.numbers[-1] = (*self.numbers[-1][:3], self.numbers[-1][3] + data)
        elif any("data-text" in given for _, given in self.stack):
            self.texts[-1] = (self.texts[-1][0], self.texts[-1][1] + data)
        else:
            self.rest.append(data)


def read(page: str) -> Numbers:
    parser = Numbers()
    parser.feed(page)
    return parser


def at(document: Any, path: str) -> Any:
    """What stands at a path such as /designs/0/n."""
    for key in path.split("/")[1:]:
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document
