"""What draws an app on a web page: Textual's driver, and what it lacks towards visitors who vanish or mean harm."""

from __future__ import annotations

import os
import threading

from textual import events, messages
from textual.drivers.web_driver import WebDriver
from textual.message import Message

MOST_COLUMNS, MOST_ROWS = 600, 300  # of a window: room is made for all that it says to have
_PATIENCE_SECONDS = 5.0  # for an app to end what it has started


class VisitorDriver(WebDriver):
    """Ends the app once nobody is left to draw for, and believes no window to be huge."""

    def start_application_mode(self) -> None:
        super().start_application_mode()
        self._app.call_later(self._app.post_message, events.AppFocus())  # the page has the focus as it opens

    def run_input_thread(self) -> None:
        super().run_input_thread()
        if not self.exit_event.is_set():  # the server is gone, however it went
            end = threading.Timer(_PATIENCE_SECONDS, os._exit, (1,))  # for an app that has stumbled over that
            end.daemon = True
            end.start()
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno)
            self.send_message(messages.ExitApp())

    def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
        if packet_type != "resize":
            super().on_meta(packet_type, payload)
            return
        width, height = payload.get("width"), payload.get("height")
        if isinstance(width, int) and isinstance(height, int):
            fitting = {"width": cells(width, MOST_COLUMNS), "height": cells(height, MOST_ROWS)}
            super().on_meta(packet_type, {**payload, **fitting})

    def process_message(self, message: Message) -> None:
        if not isinstance(message, events.Resize):  # which is not to come with what is typed
            super().process_message(message)


def cells(wanted: int, most: int) -> int:
    """A window's width or height that can be believed."""
    return max(1, min(most, wanted))
