"""What the dashboard remembers of a person's habits: theme, chart options, text direction, keys.

`settings.toml` in the platform's folder for configuration (on Linux `~/.config/slm-tui/`). A file that is damaged
is left as it is, and the defaults hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from engine.contract.files import replace_file
from slm_tui.terminals import Bidi

ChartAxis = Literal["step", "tokens", "time"]


class Settings(msgspec.Struct, kw_only=True):
    """Every setting with its default; keys of another version are skipped."""

    theme: str = "slm-dark"
    axis: ChartAxis = "step"
    smoothing: float = 0.9
    log_x: bool = False
    sort: str = ""  # the column of the experiments
    sort_backwards: bool = False
    bidi: Bidi = "auto"  # who orders right-to-left text: this program, or the terminal
    keys: dict[str, str] = {}  # binding id -> keys


def settings_file() -> Path:
    """Where the settings are kept."""
    import platformdirs

    return platformdirs.user_config_path("slm-tui") / "settings.toml"


def load_settings() -> tuple[Settings, str | None]:
    """The settings, and what is wrong with their file, if anything is."""
    import tomli

    path = settings_file()
    try:
        return msgspec.convert(tomli.loads(path.read_text(encoding="utf-8")), Settings), None
    except FileNotFoundError:
        return Settings(), None
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError, msgspec.ValidationError) as error:
        return Settings(), f"{path} is not used: {error}"


def save_settings(settings: Settings) -> None:
    """Replace the file, keeping what a person wrote into it; a damaged one stays as it is.

    Raises:
        OSError: it cannot be written.
    """
    import tomlkit

    path = settings_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    except (tomlkit.exceptions.ParseError, UnicodeDecodeError):  # `load_settings` has told of it
        return
    for key, value in msgspec.to_builtins(settings).items():
        if document.get(key) != value:
            document[key] = value
    replace_file(path, tomlkit.dumps(document).encode())
