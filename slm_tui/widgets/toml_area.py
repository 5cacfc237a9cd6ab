"""A text area for TOML: coloured after the app's theme, and with a mark at the lines that have a problem."""

from __future__ import annotations

from collections.abc import Collection

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.color import Color
from textual.strip import Strip
from textual.widgets import TextArea
from textual.widgets.text_area import LanguageDoesNotExist, TextAreaTheme

_LANGUAGE = "toml"


class TomlArea(TextArea, inherit_bindings=False):
    """An editor of TOML. Without tree-sitter it is one without colours."""

    # F6 selects a line in Textual's; here it leads out of the editor, since Tab does not.
    BINDINGS = [
        *(binding for binding in TextArea.BINDINGS if getattr(binding, "key", None) != "f6"),
        Binding("ctrl+home", "cursor_text_start", show=False),
        Binding("ctrl+end", "cursor_text_end", show=False),
    ]

    DEFAULT_CSS = """
    TomlArea {
        padding: 0;
        background: $background;
        scrollbar-size: 1 1;
        scrollbar-color: $panel;
        scrollbar-color-hover: $border;
        scrollbar-color-active: $primary;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
        scrollbar-corner-color: $background;
        border: round $border-blurred;
        &:focus { border: round $primary; }
        & .text-area--cursor-line { background: $foreground 6%; }
        & .text-area--cursor-gutter { background: $foreground 6%; }
    }
    """

    def __init__(self, text: str) -> None:
        super().__init__(text, soft_wrap=False, show_line_numbers=True, tab_behavior="indent")
        self._problem_rows: frozenset[int] = frozenset()
        try:
            self.language = _LANGUAGE
        except LanguageDoesNotExist:  # tree-sitter is here, its TOML is not
            self.language = None

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._colour_after_app)

    def _colour_after_app(self) -> None:
        theme = _theme_of(self.app.theme, self.app.current_theme.to_color_system().generate())
        self.register_theme(theme)
        self.theme = theme.name

    def on_key(self, event: events.Key) -> None:
        """An area that takes Tab would take Escape too, to move the focus; here Escape is the screen's."""
        if event.key == "escape":
            event.prevent_default()

    def on_resize(self) -> None:
        """The line that is typed in stays in sight when problems come up below and take rows."""
        self.call_after_refresh(self.scroll_cursor_visible)

    def mark_lines(self, lines: Collection[int]) -> None:
        """Mark these lines, counted from 1, and no others."""
        rows = frozenset(line - 1 for line in lines)
        if rows != self._problem_rows:
            self._problem_rows = rows
            self.refresh()

    def jump_to(self, line: int) -> None:
        """Put the cursor on `line`, counted from 1, before its first word, and take the focus."""
        row = min(line, self.document.line_count) - 1
        text = self.document.get_line(row)
        self.move_cursor((row, len(text) - len(text.lstrip())), center=True)
        self.focus()

    def action_cursor_text_start(self) -> None:
        self.move_cursor((0, 0))

    def action_cursor_text_end(self) -> None:
        self.move_cursor(self.document.end)

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        if y + self.scroll_offset.y not in self._problem_rows:
            return strip
        red = Style(color=Color.parse(self.app.theme_variables["error"]).rich_color, bold=True)
        width = self.gutter_width
        gutter = [
            Segment(text[:-2] + "! " if place == 0 else text, (style or Style()) + red)
            for place, (text, style, _) in enumerate(strip.crop(0, width))
        ]
        return Strip.join([Strip(gutter, width), strip.crop(width)])


def _theme_of(name: str, colours: dict[str, str]) -> TextAreaTheme:
    """Few colours, so that comments step back and keys and values are told apart; the rest is the widget's CSS."""
    foreground, background = Color.parse(colours["foreground"]), Color.parse(colours["background"])

    def style(colour: Color) -> Style:
        return Style(color=colour.rich_color)

    muted = style(foreground.blend(background, 0.4))
    value = style(Color.parse(colours["accent"]))
    return TextAreaTheme(
        name=f"toml-{name}",
        syntax_styles={
            "comment": muted,
            "operator": muted,
            "punctuation.bracket": muted,
            "punctuation.delimiter": muted,
            "toml.type": style(Color.parse(colours["primary"])),
            "string": style(Color.parse(colours["success"])),
            "number": value,
            "float": value,
            "boolean": value,
            "toml.datetime": value,
        },
    )
