"""HTML and SVG put together from texts that nobody trusts: whatever is not `Markup` already is escaped (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from slm_tui.formats import printable

_VOID = frozenset({"meta", "br", "path", "circle", "rect", "line"})  # without content


class Markup(str):
    """Text that is markup as it stands."""

    __slots__ = ()


def tag(name: str, /, *children: str | Iterable[str], **attributes: object) -> Markup:
    """An element. `cls` is its class, `_` in other attributes' names is `-`; None leaves an attribute out."""
    written = "".join(
        f' {"class" if key == "cls" else key.replace("_", "-")}="{escape(printable(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str | Iterable[str]) -> Markup:
    """The children one after another; a text that is no markup yet is escaped."""
    parts = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(str(child))
        elif isinstance(child, str):
            parts.append(escape(printable(child)))
        else:
            parts.append(joined(*child))
    return Markup("".join(parts))
