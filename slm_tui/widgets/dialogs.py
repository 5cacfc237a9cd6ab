"""Small windows over a screen: a question with a few answers, a line to fill in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from slm_tui.screens.sized import Sized

_FRAME = """
    align: center middle;
    & > Vertical {
        width: 70;
        max-width: 90%;
        height: auto;
        max-height: 90%;
        padding: 1 2;
        border: round $primary;
        border-title-color: $foreground;
        border-title-style: bold;
        border-subtitle-color: $text-muted;
        background: $surface;
    }
    & .details { color: $text-muted; height: auto; padding: 0 1 1 1; }
"""


Result = TypeVar("Result")


class Dialog(Sized[Result], ModalScreen[Result]):
    """A window over a screen. It takes one answer: a key that is pressed again while it closes is not for the screen
    underneath, which Textual would close with it. Messages that would lie on top of it go."""

    _answered = False

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        if self._answered:
            return AwaitComplete.nothing()
        self._answered = True
        return super().dismiss(result)

    def on_screen_resume(self) -> None:
        self.app.clear_notifications()


class _Answers(OptionList):
    """The answers, one a line; a list that Tab walks through too, for it is all there is to focus."""

    BINDINGS = [
        Binding("tab,right", "cursor_down", show=False),
        Binding("shift+tab,left", "cursor_up", show=False),
    ]


class Choice(Dialog["str | None"]):
    """A question with a few answers: the id of the chosen one, or None after Escape.

    `choices` are (id, label, key); the first, which Enter takes at once, is to be the one that loses nothing.
    """

    DEFAULT_CSS = (
        "Choice {"
        + _FRAME
        + """
    & OptionList {
        height: auto;
        padding: 0;
        &, &:focus { border: none; background: $surface; background-tint: $surface 0%; }
        & > .option-list--option { padding: 0 1; }
        &:focus > .option-list--option-highlighted { background: $primary 35%; color: $foreground; text-style: none; }
    }
}"""
    )
    BINDINGS = [Binding("escape", "dismiss", show=False)]

    def __init__(self, question: str, details: str, choices: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._question = question
        self._details = details
        self._choices = choices

    def compose(self) -> ComposeResult:
        with Vertical() as frame:
            frame.border_title = Content(self._question)
            frame.border_subtitle = Content("esc: back")
            if self._details:
                yield Static(Content(self._details), classes="details")
            yield _Answers(
                *(
                    Option(Content.assemble((key, "bold underline"), "  ", label), id=choice)
                    for choice, label, key in self._choices
                )
            )

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(event.option_id)

    def on_key(self, event: events.Key) -> None:
        """A letter chooses."""
        for choice, _label, key in self._choices:
            if key in (event.key, event.character):
                event.stop()
                self.dismiss(choice)
                return


def _anything(_text: str) -> str | None:
    return None


class Ask(Dialog["str | None"]):
    """One line to fill in: the text, or None after Escape.

    `problem_of` says what is wrong with a text, or None; Enter takes only a text with which nothing is wrong.
    """

    DEFAULT_CSS = (
        "Ask {"
        + _FRAME
        + """
    & Input { &, &:focus { border: round $border; background: $surface; background-tint: $surface 0%; } }
    & .problem { height: auto; min-height: 1; padding: 0 1; color: $text-error; }
}"""
    )
    BINDINGS = [Binding("escape", "dismiss", show=False)]

    def __init__(
        self, label: str, initial: str = "", problem_of: Callable[[str], str | None] = _anything, details: str = ""
    ) -> None:
        super().__init__()
        self._label = label
        self._initial = initial
        self._problem_of = problem_of
        self._details = details

    def compose(self) -> ComposeResult:
        with Vertical() as frame:
            frame.border_title = Content(self._label)
            frame.border_subtitle = Content("enter: take · esc: back")
            if self._details:
                yield Static(Content(self._details), classes="details")
            yield Input(self._initial)
            yield Static(classes="problem", markup=False)

    def on_mount(self) -> None:
        """The initial text is there to be changed, so nothing is said of it before it was."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _check(self, event: Input.Changed) -> None:
        changed = event.value != self._initial
        self.query_one(".problem", Static).update((self._problem_of(event.value) or "") if changed else "")

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        problem = self._problem_of(event.value)
        if problem is None:
            self.dismiss(event.value)
        else:
            self.query_one(".problem", Static).update(problem)
