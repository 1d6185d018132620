"""A page that stands alone: one HTML file, without scripts and without anything from elsewhere.

Whatever is a `str` is text and is escaped; only these functions make `Html`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import NewType

Html = NewType("Html", str)

Cell = str | Html


def page(title: str, *blocks: Html) -> str:
    """The whole file."""
    template = Template(files("bench").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), body="\n".join(blocks))


def words(told: str) -> Html:
    return Html(escape(told))


def element(tag: str, inner: Html, kind: str = "") -> Html:
    named = f' class="{kind}"' if kind else ""
    return Html(f"<{tag}{named}>{inner}</{tag}>")


def joined(*parts: Html) -> Html:
    return Html("".join(parts))


def heading(told: str, level: int = 2) -> Html:
    return element(f"h{level}", words(told))


def paragraph(told: str, kind: str = "") -> Html:
    return element("p", words(told), kind)


def section(title: str, *blocks: Html) -> Html:
    return element("section", joined(heading(title), *blocks))


def verdict(answer: str, sentences: Sequence[str], tone: str) -> Html:
    """The answer in large letters and what it rests on. tone: yes, no, partly or unclear."""
    told = [element("p", words(answer), "answer"), *map(paragraph, sentences)]
    return element("div", joined(*told), f"verdict {tone}")


def bullets(told: Sequence[str]) -> Html:
    return element("ul", joined(*(element("li", words(one)) for one in told)))


def figure(svg: str, title: str, caption: str) -> Html:
    """A picture from bench.pictures under its title, with the words that explain it."""
    told = joined(element("strong", words(title)), words(" "), words(caption))
    return element("figure", joined(element("figcaption", told), Html(svg)))


def gallery(*figures: Html) -> Html:
    """Figures side by side where there is room."""
    return element("div", joined(*figures), "gallery")


def two_lines(first: str, second: str) -> Html:
    """A cell with a smaller second line."""
    if not second:
        return words(first)
    return joined(words(first), element("small", words(second)))


def table(
    head: Sequence[str], rows: Sequence[Sequence[str | Html]], caption: str, marked: int = -1
) -> Html:
    """A table whose first column are names and whose others are numbers.

    A cell is text, to be escaped, or was made by two_lines. marked: the row that stands out.
    """
    heads = joined(*(Html(f'<th scope="col">{escape(name)}</th>') for name in head))
    body = [
        element("tr", joined(*(_cell(c, at == 0) for at, c in enumerate(row))), _row_kind(i, marked))
        for i, row in enumerate(rows)
    ]
    inner = joined(
        element("caption", words(caption)),
        element("thead", element("tr", heads)),
        element("tbody", joined(*body)),
    )
    return element("div", element("table", inner), "scroll")
