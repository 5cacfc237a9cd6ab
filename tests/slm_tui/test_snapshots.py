"""How every screen looks, in two sizes and both themes. A picture that has changed is looked at before it is accepted:

pytest tests/slm_tui/test_snapshots.py --snapshot-update
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboards import app_of, screen_text, until
from pytest_textual_snapshot import SVGImageExtension
from showcase import ARABIC, EARLY, FAILED, FINISHED, HOTTER, NOW, QUEUED, STORY, TRAINING, WIDER, make_showcase
from textual.pilot import Pilot
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, TextArea

from engine.contract.generation import AnyReply, Begun, Done, Loaded, Text, Token
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.app import SlmTui
from slm_tui.generator import Generator
from slm_tui.screens.compare import CompareScreen
from slm_tui.screens.editor import EditorScreen
from slm_tui.screens.home import HomeScreen
from slm_tui.screens.run import RunScreen
from slm_tui.screens.stories import StoriesScreen
from slm_tui.widgets.chart_view import ChartView
from slm_tui.widgets.prompt_area import PromptArea
from slm_tui.widgets.run_view import RunView
from slm_tui.widgets.story_column import StoryColumn

SVGImageExtension.file_extension = "svg"  # the plugin sets what an older syrupy called it; else they end in .raw

Scene = Callable[[Pilot[None]], Awaitable[None]]
LOOKS = {  # the light theme in the larger size, where every pane is to be seen
    "80x24-dark": ((80, 24), "slm-dark"),
    "160x48-dark": ((160, 48), "slm-dark"),
    "160x48-light": ((160, 48), "slm-light"),
    "200x50-dark": ((200, 50), "slm-dark"),
}
PROMPT, ARABIC_PROMPT = "Once upon a time", "كان يا ما كان"
COMMON_LOOKS = ["80x24-dark", "160x48-dark", pytest.param("160x48-light", marks=pytest.mark.slow)]
ASKS = {"catalog", "action_annotate", "action_stop"}  # workers that last as long as the dashboard or a question


@pytest.fixture(scope="module")
def showcase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The workspace that is photographed, with a run that trains and one that waits."""
    workspace = make_showcase(tmp_path_factory.mktemp("pictures"))
    locks = [Run(workspace.runs / path).hold_lock() for path in (f"stories_small/{TRAINING}", f"stories_wide/{QUEUED}")]
    yield workspace
    for lock in locks:
        lock.release()


@pytest.fixture
def same_everywhere(isolated_user: None, showcase: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a picture could show of the machine and of the day."""
    monkeypatch.setenv("HOME", str(showcase.root.parent))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(showcase.root.parent / ".config"))  # the help names a file there
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(showcase.root)
    monkeypatch.setattr(time, "time", lambda: NOW)
    for request in ("start", "ask"):  # what a process would say is given in `telling`: its speed is another each time
        monkeypatch.setattr(Generator, request, lambda *_: None)


# scenes: each leads from the first screen to what is photographed


async def at_home(pilot: Pilot[None]) -> None:
    home = pilot.app.screen
    assert isinstance(home, HomeScreen)
    home.experiments.go_to("stories_small")
    await until(pilot, lambda: home.runs.shown_keys == [TRAINING, FINISHED, HOTTER])


async def at_a_broken_file(pilot: Pilot[None]) -> None:
    home = pilot.app.screen
    assert isinstance(home, HomeScreen)
    home.experiments.go_to("thin")
    await sees(pilot, "e shows them")


async def in_the_runs(pilot: Pilot[None]) -> None:
    await at_home(pilot)
    await pilot.press("enter", "down", "space")
    await sees(pilot, "1 marked")


async def with_a_preview(pilot: Pilot[None]) -> None:
    await in_the_runs(pilot)
    await until(pilot, lambda: is_drawn(pilot.app.screen, FINISHED))


def in_tab(key: str, *words: str, run: str = f"stories_small/{FINISHED}") -> Scene:
    async def scene(pilot: Pilot[None]) -> None:
        await show(pilot, RunScreen(Run(app_of(pilot).workspace.runs / run)))
        await until(pilot, lambda: is_drawn(pilot.app.screen, run.partition("/")[2]))
        await pilot.press(key)
        await sees(pilot, *words)

    return scene


async def with_a_crosshair(pilot: Pilot[None]) -> None:
    await in_tab("1", "loss")(pilot)
    pilot.app.screen.query(ChartView).first().focus()
    await pilot.press("home", "L", "L", "L")


def comparing(key: str, *words: str) -> Scene:
    async def scene(pilot: Pilot[None]) -> None:
        runs = app_of(pilot).workspace.runs
        compared = [f"stories_small/{FINISHED}", f"stories_wide/{WIDER}", f"stories_small/{HOTTER}"]
        screen = CompareScreen([Run(runs / path) for path in compared])
        await show(pilot, screen)
        await until(pilot, lambda: len(screen._feeds) == 3 and not screen._stale)
        await pilot.press(key)
        await sees(pilot, *words)

    return scene


def editing(name: str, *words: str, keys: tuple[str, ...] = ()) -> Scene:
    async def scene(pilot: Pilot[None]) -> None:
        workspace = app_of(pilot).workspace
        editor = EditorScreen(workspace.experiments / f"{name}.toml", workspace)
        await show(pilot, editor)
        await until(pilot, lambda: editor.assessment is not None)
        await pilot.press(*keys)
        await sees(pilot, *words)

    return scene


def telling(run: str, prompt: str, story: str, *keys: str) -> Scene:
    async def scene(pilot: Pilot[None]) -> None:
        screen = StoriesScreen(Run(app_of(pilot).workspace.runs / run))
        await show(pilot, screen)
        (column,) = screen.columns

        async def hear(*replies: AnyReply) -> None:
            for reply in replies:
                column.post_message(StoryColumn.Heard(column, reply))
            await pilot.pause()

        await hear(Loaded("best", step=900, val_loss=1.46, device="cuda:0", load_seconds=1.2))
        screen.query_one(PromptArea).set_text(prompt)
        await pilot.press("enter")
        await until(pilot, lambda: bool(column.stories))
        assert column._request is not None
        number = column._request.id
        pieces = re.findall(r"\s*\S+", story)
        texts = [Text(piece, number, tokens=[_token(place, piece)]) for place, piece in enumerate(pieces)]
        done = Done(len(texts), 412.0, 0.021, "end_of_text", seed=7, id=number)
        await hear(Begun(number, seed=7, prompt_tokens=5), *texts, done)
        await pilot.press(*keys)
        await sees(pilot, "the end")

    return scene


def _token(place: int, text: str) -> Token:
    probability = (0.93, 0.61, 0.34, 0.12, 0.81, 0.03)[place % 6]
    return Token(place, probability, [(text, probability), (" and", 0.02), (" the", 0.01)])


def over_home(*keys: str, typed: str = "") -> Scene:
    """A window, and the words typed into it. `sees` is not for it: what it reads would be drawn without the screen
    behind the window, and be kept."""

    async def scene(pilot: Pilot[None]) -> None:
        await at_home(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(pilot.app.screen, ModalScreen) and pilot.app.focused is not None)
        await pilot.press(*typed)

    return scene


async def show(pilot: Pilot[None], screen: Screen[Any]) -> None:
    pilot.app.call_later(pilot.app.push_screen, screen)
    await until(pilot, lambda: pilot.app.screen is screen)


async def sees(pilot: Pilot[None], *words: str) -> None:
    await until(pilot, lambda: all(word in screen_text(pilot) for word in words))


def is_drawn(screen: Screen[object], run_id: str) -> bool:
    """Whether the run's view has read that run."""
    return any(view.feed is not None and view.feed.run.id == run_id for view in screen.query(RunView))


SCENES: dict[str, Scene] = {  # in all looks
    "home": at_home,
    "charts": in_tab("1", "perplexity"),
    "log": in_tab("2", "finished: 1,200"),
    "samples": in_tab("3", "Rosie"),
    "config": in_tab("4", "n_head"),
    "system": in_tab("5", "versions"),
    "failed": in_tab("1", "out of memory", run=f"rates/{FAILED}"),
    "compare": comparing("1", "loss"),
    "editor": editing("stories_small", "parameters"),
    "editor_problems": editing("thin", "problems", keys=("f8",)),
    "stories": telling(f"stories_small/{FINISHED}", PROMPT, STORY.removeprefix(PROMPT), "p", "left", "left", "left"),
    "help": over_home("question_mark"),
    "jump": over_home("ctrl+o", typed="small"),
    "notes": over_home("enter", "down", "i"),
    "stop": over_home("s"),
}
IN_ONE_LOOK: dict[str, tuple[Scene, str]] = {  # what differs from one of those in a part only
    "home_broken": (at_a_broken_file, "160x48-light"),
    "runs": (in_the_runs, "80x24-dark"),
    "training": (in_tab("1", "left", run=f"stories_small/{TRAINING}"), "80x24-dark"),
    "crosshair": (with_a_crosshair, "160x48-dark"),
    "samples_arabic": (in_tab("3", "step 700", run=f"arabic_first/{EARLY}"), "80x24-dark"),
    "compare_results": (comparing("2", "perplexity"), "80x24-dark"),
    "compare_differences": (comparing("3", "train.learning_rate"), "80x24-dark"),
    "stories_arabic": (
        telling(f"arabic_first/{EARLY}", ARABIC_PROMPT, ARABIC.removeprefix(ARABIC_PROMPT)),
        "80x24-dark",
    ),
    "very_wide": (with_a_preview, "200x50-dark"),
}


def photograph(compare: Callable[..., bool], workspace: Workspace, scene: Scene, look: str) -> bool:
    """Whether `scene` looks as accepted."""
    size, theme = LOOKS[look]
    app = SlmTui(workspace)
    app.settings.theme = theme
    app.settings.bidi = "app"  # a browser that shows the picture orders Arabic once more

    async def lead_there(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.catalog is not None)
        await pilot.pause()
        await scene(pilot)
        await until(pilot, lambda: all(worker.is_finished or worker.name in ASKS for worker in app.workers))
        for field in (*app.screen.query(Input), *app.screen.query(TextArea)):
            field.cursor_blink = False
        await pilot.pause()

    return compare(app, terminal_size=size, run_before=lead_there)


@pytest.mark.parametrize("look", COMMON_LOOKS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_screen_looks_as_accepted(
    snap_compare: Callable[..., bool], same_everywhere: None, showcase: Workspace, scene: str, look: str
) -> None:
    assert photograph(snap_compare, showcase, SCENES[scene], look)


@pytest.mark.parametrize("scene", IN_ONE_LOOK)
def test_a_part_of_a_screen_looks_as_accepted(
    snap_compare: Callable[..., bool], same_everywhere: None, showcase: Workspace, scene: str
) -> None:
    assert photograph(snap_compare, showcase, *IN_ONE_LOOK[scene])


@pytest.mark.parametrize("look", COMMON_LOOKS)
def test_an_empty_workspace_looks_as_accepted(
    snap_compare: Callable[..., bool], same_everywhere: None, showcase: Workspace, look: str
) -> None:
    empty = Path(showcase.root.parent, "empty")
    empty.mkdir(exist_ok=True)

    async def first_steps(pilot: Pilot[None]) -> None:
        await sees(pilot, "No experiments here yet")

    assert photograph(snap_compare, Workspace(empty), first_steps, look)
