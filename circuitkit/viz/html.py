"""HTML from function calls: everything that is not HTML already is escaped.

>>> tag("p", "1 < 2, ", tag("em", "always"), class_="note")
'<p class="note">1 &lt; 2, <em>always</em></p>'
"""

import html
from collections.abc import Iterable, Sequence

VOID = frozenset({"br", "col", "hr", "img", "link", "meta", "wbr"})


class Html(str):
    """Text that is HTML already. Every other string is escaped where it enters a page."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | int) -> Html:
    """Returns an element.

    Args:
        name: Of the element.
        *children: Text, which is escaped, or `Html`, which is not.
        **attributes: Also escaped. `class_` is `class`, and other underscores are hyphens.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"' for key, value in attributes.items()
    )
    if name in VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Iterable[str]) -> Html:
    """Returns the children one after the other; text is escaped."""
    return Html("".join(child if isinstance(child, Html) else html.escape(child) for child in children))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = ()) -> Html:
    """Returns a table that scrolls by itself where the page is narrow; the first column names the rows.

    Args:
        caption: What it shows.
        head: One text a column.
        rows: One text a column each.
        words: Columns of text other than the first; all others are numbers, and stand right.
    """
    kind = ["words" if column == 0 or column in words else "number" for column in range(len(head))]
    top = tag("tr", *(tag("th", text, scope="col", class_=kind[i]) for i, text in enumerate(head)))
    body = []
    for row in rows:
        # Long text may wrap, but not to a word a line.
        kinds = [f"{kind[i]} long" if len(cell) > 16 else kind[i] for i, cell in enumerate(row)]
        cells = [tag("td", cell, class_=kinds[i]) for i, cell in enumerate(row) if i > 0]
        body.append(tag("tr", tag("th", row[0], scope="row", class_=kinds[0]), *cells))
    # A region that scrolls must be reachable by keyboard, and named.
    return tag(
        "div",
        tag("table", tag("caption", tag("span", caption)), tag("thead", top), tag("tbody", *body)),
        class_="scroll",
        role="region",
        tabindex=0,
        aria_label=caption,
    )
