"""A page that stands alone: one HTML file, without scripts and without anything from elsewhere.

Whatever is not Html is text and gets escaped, so that names in the data stay names.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template


class Html(str):
    """Markup. Made by this room and by bench.pages.pictures only, from escaped parts."""

    __slots__ = ()


def page(title: str, *blocks: Html) -> str:
    """The whole file."""
    template = Template(files("bench.pages").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), body="\n".join(blocks))


def html(told: str) -> Html:
    """Markup as it is, text escaped.

    >>> html("<b>"), html(Html("<b>"))
    ('&lt;b&gt;', '<b>')
    """
    return told if isinstance(told, Html) else Html(escape(told))


def element(tag: str, *inner: str, kind: str = "") -> Html:
    """An element around texts and markup.

    >>> element("p", "a < ", element("b", "c"), kind="note")
    '<p class="note">a &lt; <b>c</b></p>'
    """
    named = f' class="{escape(kind)}"' if kind else ""
    return Html(f"<{tag}{named}>{''.join(map(html, inner))}</{tag}>")


def section(title: str, *blocks: Html) -> Html:
    return element("section", element("h2", title), *blocks)


def verdict(answer: str, sentences: Sequence[str], tone: str) -> Html:
    """The answer in large letters and what it rests on. tone: yes, no, partly or unclear."""
    told = [element("p", sentence) for sentence in sentences]
    return element("div", element("p", answer, kind="answer"), *told, kind=f"verdict {tone}")


def bullets(told: Sequence[str]) -> Html:
    return element("ul", *(element("li", one) for one in told))


def figure(title: str, caption: str, svg: str) -> Html:
    """A picture from bench.pages.pictures under its title and the words that explain it."""
    told = element("figcaption", element("strong", title), element("span", caption))
    return element("figure", told, Html(svg))


def gallery(*figures: Html) -> Html:
    """Figures side by side where there is room."""
    return element("div", *figures, kind="gallery")


def two_lines(first: str, second: str) -> Html:
    """A cell with a smaller second line."""
    return Html(html(first) + (element("small", second) if second else ""))


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, marked: Sequence[int] = ()
) -> Html:
    """A table whose first column holds names and whose others hold numbers.

    marked: the rows that stand out.
    """
    heads = [Html(f'<th scope="col">{html(name)}</th>') for name in head]
    body = [
        element(
            "tr",
            _name(row[0]),
            *(element("td", cell) for cell in row[1:]),
            kind="marked" if number in marked else "",
        )
        for number, row in enumerate(rows)
    ]
    inner = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *body),
    )
    # Focusable, so that a keyboard can scroll what is wider than the screen.
    return Html(f'<div class="scroll" tabindex="0">{inner}</div>')


def _name(told: str) -> Html:
    return Html(f'<th scope="row">{html(told)}</th>')
