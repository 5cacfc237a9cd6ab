"""Screens that look different where there is more room."""

from __future__ import annotations

from textual.screen import Screen, ScreenResultType


class Sized(Screen[ScreenResultType]):
    """A screen with the classes of the app's breakpoints from its first frame on.

    Textual gives them when the screen has been drawn once; all of it would then be styled and drawn a second time.
    """

    def on_compose(self) -> None:
        """Before there is anything on it."""
        app = self.app
        across = self.HORIZONTAL_BREAKPOINTS or app.HORIZONTAL_BREAKPOINTS or ()
        down = self.VERTICAL_BREAKPOINTS or app.VERTICAL_BREAKPOINTS or ()
        for length, breakpoints in zip(app.size, (across, down), strict=True):
            self.add_class(*[name for least, name in sorted(breakpoints) if length >= least][-1:])
