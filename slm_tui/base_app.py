"""What the dashboard and the page of stories share: settings, themes, the direction of text, help, notifications."""

from __future__ import annotations

import gc
import threading

from textual import work
from textual.app import App
from textual.driver import Driver
from textual.notifications import SeverityLevel

from engine.runs.run import Run
from slm_tui.catalog import Catalog
from slm_tui.screens.help import HelpScreen
from slm_tui.settings import Settings, save_settings
from slm_tui.terminals import EXPLICIT_ORDER, IMPLICIT_ORDER, app_orders
from slm_tui.themes import THEMES


class BaseApp(App[None]):
    """An app of ours. On a web page (`is_web`) files are downloads, and text is always ordered here."""

    CSS_PATH = "app.tcss"
    NOTIFICATION_TIMEOUT = 4.0  # they lie on what one reads
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (150, "-very-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]

    is_public = False  # True: for strangers, of whom nothing is kept, and to whom nothing is told of this machine

    def __init__(self, settings: Settings, driver: type[Driver] | None = None) -> None:
        """`driver`: what the app is drawn by; that of the platform's terminals by default."""
        super().__init__(driver_class=driver)
        self.settings = settings
        self.catalog: Catalog | None = None  # what is in the workspace, once it was looked at
        self.marked: dict[Run, None] = {}  # in the order of marking
        self.can_copy = True  # not on a web page that came unencrypted from another machine: browsers forbid it
        self.animation_level = "none"  # a key is answered at once, over a slow line too
        self._saving = threading.Lock()

    def dress(self) -> None:
        """Look as the settings say; to be called once there is a screen."""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self.settings.theme if self.settings.theme in self.available_themes else THEMES[0].name
        self.set_keymap(self.settings.keys)
        self._tell_terminal()
        self.theme_changed_signal.subscribe(self, lambda theme: self._theme_changed(theme.name))

    def _theme_changed(self, name: str) -> None:
        self.remember(theme=name)
        self._tell_terminal()

    def _tell_terminal(self) -> None:
        """Who orders right-to-left text; of a web page, also the colour around the cells."""
        if self._driver is None or self.is_headless:
            return
        if self.is_web:
            self._driver.write(f"\x1b]11;{self.theme_variables['background']}\x1b\\")
        else:
            self._driver.write(EXPLICIT_ORDER if app_orders(self.settings.bidi) else IMPLICIT_ORDER)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A web page orders no text, so there is nobody to leave it to."""
        return not self.is_web if action == "flip_direction" else super().check_action(action, parameters)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Tell something, once: what is on the screen already is not told a second time."""
        if all(told.has_expired or told.message != message for told in self._notifications):
            super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def remember(self, **changes: object) -> None:
        """Change settings, now and for the next time."""
        changed = {key: value for key, value in changes.items() if getattr(self.settings, key) != value}
        for key, value in changed.items():
            setattr(self.settings, key, value)
        if changed and not self.is_public:
            self._save()

    @work(thread=True)
    def _save(self) -> None:
        """In a thread, for a disk may be slow; the last one to save saves what is set by then."""
        try:
            with self._saving:
                save_settings(self.settings)
        except OSError as error:
            self.call_from_thread(self.notify, f"settings are not kept: {error}", severity="warning", markup=False)

    def action_theme(self) -> None:
        names = sorted(self.available_themes, key=lambda name: (not name.startswith("slm-"), name))
        self.theme = names[(names.index(self.theme) + 1) % 2 if self.theme in names[:2] else 0]

    def action_flip_direction(self) -> None:
        """Right-to-left text ordered here, or by the terminal: whichever it was not."""
        from slm_tui.widgets.story_text import StoryText

        here = not app_orders(self.settings.bidi)
        self.remember(bidi="app" if here else "terminal")
        self._tell_terminal()
        for screen in self.screen_stack:
            for story in screen.query(StoryText):
                story.order(here)
        self.notify(f"right-to-left text is ordered by {'slm-tui' if here else 'your terminal'}", markup=False)

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    async def action_back(self) -> None:
        if len(self.screen_stack) > 2:  # Textual's own blank screen, then the first of ours
            self.pop_screen()


def show(app: BaseApp) -> None:
    """Run the app until the person quits it."""
    gc.freeze()  # by default, Python looks through all objects a few times a second, and a key waits for that
    gc.set_threshold(10_000, 10, 10)
    app.run()
