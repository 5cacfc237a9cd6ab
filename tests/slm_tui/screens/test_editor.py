"""The editor as a person uses it: typed into by a pilot, at a small and at a large size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import OptionList

from engine.contract.errors import UserError
from engine.runs.workspace import Workspace
from slm_tui.screens.editor import EditorScreen
from slm_tui.widgets.dialogs import Choice

NARROW, WIDE = (80, 24), (160, 48)
BOTH = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])


class Editing(App[None]):
    """Nothing but the editor."""

    def __init__(self, path: Path, workspace: Workspace) -> None:
        super().__init__()
        self.editor = EditorScreen(path, workspace)
        self.outcome: list[str | None] = []

    def on_mount(self) -> None:
        self.push_screen(self.editor, self.outcome.append)

    @property
    def told(self) -> str:
        return "\n".join(notification.message for notification in self._notifications)


@pytest.fixture
def file(workspace: Workspace) -> Path:
    return workspace.experiment_file("tiny")


@asynccontextmanager
async def editing(file: Path, workspace: Workspace, size: tuple[int, int] = NARROW) -> AsyncIterator[Pilot[None]]:
    app = Editing(file, workspace)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.editor.assessment is not None)
        yield pilot


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; the test's own time limit ends it."""
    while not condition():
        await pilot.pause(0.01)


def app_of(pilot: Pilot[None]) -> Editing:
    assert isinstance(pilot.app, Editing)
    return pilot.app


def findings(pilot: Pilot[None]) -> int:
    assessment = app_of(pilot).editor.assessment
    return len(assessment.findings) if assessment else 0


def shown(pilot: Pilot[None], selector: str) -> str:
    """What the widget shows, as plain text."""
    widget = app_of(pilot).editor.query_one(selector)
    return "\n".join(strip.text for strip in widget.render_lines(widget.outer_size.region))


@BOTH
async def test_a_problem_is_listed_while_one_types_and_enter_jumps_to_its_line(
    file: Path, workspace: Workspace, size: tuple[int, int]
) -> None:
    async with editing(file, workspace, size) as pilot:
        editor = app_of(pilot).editor
        await pilot.press("ctrl+end", *"top_k = -3")
        line = editor.area.document.line_count
        problem = "sampling.top_k = -3: must be"
        await until(pilot, lambda: problem in " ".join(shown(pilot, "#problems").split()))
        await until(pilot, lambda: f"{line}! top_k" in shown(pilot, "TomlArea"))
        await pilot.press("ctrl+home", "f6")
        assert isinstance(editor.focused, OptionList)
        await pilot.press("enter")
        assert editor.focused is editor.area
        assert editor.area.cursor_location == (line - 1, 0)


async def test_a_start_that_there_is_not_is_listed_and_keeps_it_from_running(file: Path, workspace: Workspace) -> None:
    text = file.read_text(encoding="utf-8").replace("[train]", '[train]\ninit_from = "tinny"')
    file.write_text(text, encoding="utf-8")
    async with editing(file, workspace) as pilot:
        assert findings(pilot) == 1
        await until(pilot, lambda: 'train.init_from = "tinny": is not a file' in shown(pilot, "#problems"))
        await pilot.press("ctrl+end", "enter", "ctrl+r")
        await until(pilot, lambda: bool(app_of(pilot).told or app_of(pilot).outcome))
        assert "saved with 1 problem; it cannot run until it is mended" in app_of(pilot).told


@BOTH
async def test_the_meaning_stays_in_sight_and_says_when_it_is_an_earlier_one(
    file: Path, workspace: Workspace, size: tuple[int, int]
) -> None:
    async with editing(file, workspace, size) as pilot:
        place = "#verdict" if size == NARROW else "#meaning"
        await until(pilot, lambda: "128" in shown(pilot, place))
        await pilot.press("ctrl+end", *"x")
        await until(pilot, lambda: findings(pilot) == 1)
        await pilot.pause()
        if size == WIDE:
            assert "as it was before the problems" in shown(pilot, place)
            assert "128" in shown(pilot, place)
        else:
            assert "1 problem" in shown(pilot, place)
        await pilot.press("backspace")
        await until(pilot, lambda: findings(pilot) == 0)
        await pilot.pause()
        assert "before the problems" not in shown(pilot, place)


async def test_f8_goes_from_problem_to_problem_and_round(file: Path, workspace: Workspace) -> None:
    file.write_text(file.read_text().replace("n_layer = 2", "n_layer = 0").replace("dropout = 0.1", "dropout = 2"))
    async with editing(file, workspace) as pilot:
        area = app_of(pilot).editor.area
        visited = []
        for _ in range(3):
            await pilot.press("f8")
            visited.append(area.document.get_line(area.cursor_location[0]))
        assert visited == ["n_layer = 0", "dropout = 2", "n_layer = 0"]


async def test_saving_writes_what_was_typed_and_keeps_the_rest(file: Path, workspace: Workspace) -> None:
    before = ("\ufeff# تعليق\n" + file.read_text() + 'allowed_script = "arabic"\n').replace("\n", "\r\n").encode()
    before = before.replace(b'["Once"]', '["كانَ يا ما كان"]'.encode())
    file.write_bytes(before)
    async with editing(file, workspace) as pilot:
        assert "saved" in shown(pilot, "#editor-heading")
        await pilot.press("ctrl+end", *"top_k = 5")
        assert "not saved yet" in shown(pilot, "#editor-heading")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not app_of(pilot).editor.unsaved)
        assert file.read_bytes() == before + b"top_k = 5"
        await pilot.pause()
        assert "not saved" not in shown(pilot, "#editor-heading")


async def test_a_file_with_problems_is_saved_and_said_not_to_run(file: Path, workspace: Workspace) -> None:
    async with editing(file, workspace) as pilot:
        await pilot.press("ctrl+end", "x", "ctrl+r")
        await until(pilot, lambda: not app_of(pilot).editor.unsaved)
        await pilot.pause()
        assert file.read_text().endswith("x")
        await until(pilot, lambda: "saved with 1 problem; it cannot run until it is mended" in app_of(pilot).told)
        assert app_of(pilot).outcome == []


async def test_save_and_run_leaves_with_word_to_run(file: Path, workspace: Workspace) -> None:
    async with editing(file, workspace) as pilot:
        await pilot.press("ctrl+end", *"top_k = 5", "ctrl+r")
        await until(pilot, lambda: app_of(pilot).outcome == ["run"])
        assert file.read_text().endswith("top_k = 5")


async def test_leaving_without_changes_asks_nothing(file: Path, workspace: Workspace) -> None:
    async with editing(file, workspace) as pilot:
        await pilot.press("x", "backspace", "escape")
        await until(pilot, lambda: app_of(pilot).outcome == [None])


@BOTH
@pytest.mark.parametrize(("key", "ends", "saved"), [("k", [], False), ("s", [None], True), ("d", [None], False)])
async def test_leaving_with_changes_asks(
    file: Path, workspace: Workspace, size: tuple[int, int], key: str, ends: list[None], saved: bool
) -> None:
    async with editing(file, workspace, size) as pilot:
        app = app_of(pilot)
        await pilot.press("ctrl+end", "x", "escape")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(app.screen, Choice) and app.outcome == ends)
        assert file.read_text().endswith("x") == saved


@pytest.mark.parametrize(("key", "text"), [("k", "theirs = 1\n"), ("o", "mine"), ("r", "theirs = 1\n")])
async def test_a_file_that_changed_meanwhile_is_not_overwritten_unasked(
    file: Path, workspace: Workspace, key: str, text: str
) -> None:
    async with editing(file, workspace) as pilot:
        app = app_of(pilot)
        await pilot.press("ctrl+end", *"mine")
        file.write_text("theirs = 1\n")
        app.editor.look_at_disk()
        await until(pilot, lambda: "changed on disk meanwhile" in app.told)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, Choice))
        await pilot.press(key)
        await until(pilot, lambda: app.screen is app.editor)
        await until(pilot, lambda: file.read_text().endswith(text))
        if key == "r":
            assert app.editor.area.text == "theirs = 1\n"
            await pilot.press("ctrl+z")
        assert app.editor.area.text.endswith("mine")


async def test_a_file_changed_by_another_program_is_shown_as_it_is_now(file: Path, workspace: Workspace) -> None:
    async with editing(file, workspace) as pilot:
        app = app_of(pilot)
        file.write_text("theirs = 1\n")
        app.editor.look_at_disk()
        await until(pilot, lambda: findings(pilot) > 0)
        assert app.editor.area.text == "theirs = 1\n"
        await until(pilot, lambda: "this is how it is now" in app.told)
        assert not app.editor.unsaved


async def test_a_deleted_file_is_made_again_by_saving(file: Path, workspace: Workspace) -> None:
    text = file.read_text()
    async with editing(file, workspace) as pilot:
        file.unlink()
        app_of(pilot).editor.look_at_disk()
        await until(pilot, lambda: "was deleted; saving makes it again" in app_of(pilot).told)
        assert app_of(pilot).editor.unsaved
        await pilot.press("ctrl+s")
        await until(pilot, file.exists)
        assert file.read_text() == text


async def test_what_cannot_be_saved_stays_in_the_editor(file: Path, workspace: Workspace) -> None:
    async with editing(file, workspace) as pilot:
        app = app_of(pilot)
        await pilot.press("ctrl+end", "x")
        file.unlink()
        file.parent.rmdir()
        file.parent.write_text("no folder any more")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "not saved" in app.told)
        assert app.editor.unsaved
        assert app.editor.area.text.endswith("x")


async def test_mixed_line_ends_stay_until_something_is_changed(file: Path, workspace: Workspace) -> None:
    mixed = file.read_bytes().replace(b"\n", b"\r\n", 3)
    file.write_bytes(mixed)
    async with editing(file, workspace) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: "line ends of several kinds" in app.told)
        assert not app.editor.unsaved
        await pilot.press("ctrl+s", "escape")
        await until(pilot, lambda: app.outcome == [None])
        assert file.read_bytes() == mixed


def test_what_is_no_text_is_refused_with_words(file: Path, workspace: Workspace) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        EditorScreen(file, workspace)


async def test_the_colours_follow_the_apps_theme(file: Path, workspace: Workspace) -> None:
    async with editing(file, workspace) as pilot:
        area, before = app_of(pilot).editor.area, app_of(pilot).editor.area.theme
        pilot.app.theme = "textual-light"
        await until(pilot, lambda: area.theme != before)
