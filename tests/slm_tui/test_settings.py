"""What is remembered, and that a person's file is never spoilt."""

from __future__ import annotations

from slm_tui.settings import Settings, load_settings, save_settings, settings_file


def test_there_are_defaults_before_there_is_a_file() -> None:
    assert load_settings() == (Settings(), None)


def test_what_is_saved_comes_back() -> None:
    settings = Settings(theme="slm-light", axis="tokens", smoothing=0.9, keys={"run.stop": "ctrl+x"})
    save_settings(settings)
    assert load_settings() == (settings, None)


def test_comments_and_keys_of_another_version_are_kept() -> None:
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text(
        '# mine\ntheme = "slm-light"\nfrom_the_future = 3\n[keys]\n"run.stop" = "ctrl+x" # no s\n'
    )
    settings, problem = load_settings()
    assert problem is None and settings.keys == {"run.stop": "ctrl+x"}
    settings.axis = "time"
    save_settings(settings)
    text = settings_file().read_text()
    assert "# mine" in text and "from_the_future = 3" in text and "# no s" in text
    assert load_settings()[0] == settings


def test_a_damaged_file_is_told_of_and_left_as_it_is() -> None:
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text("theme = [")
    settings, problem = load_settings()
    assert settings == Settings() and problem is not None and str(settings_file()) in problem
    save_settings(settings)
    assert settings_file().read_text() == "theme = ["


def test_who_orders_right_to_left_text_is_one_of_three() -> None:
    save_settings(Settings(bidi="terminal"))
    assert load_settings()[0].bidi == "terminal"
    settings_file().write_text('bidi = "left"')
    settings, problem = load_settings()
    assert settings.bidi == "auto" and problem is not None and "bidi" in problem
