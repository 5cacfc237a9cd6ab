"""Every key of the dashboard, in one table: bindings, footer, help and palette are all drawn from it.

A person remaps a key by its id, in `settings.toml`:

    [keys]
    "run.stop" = "ctrl+x"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Key:
    """One action and the keys that lead to it. `keys` is Textual's notation, several joined by commas."""

    keys: str
    action: str
    label: str  # in the footer: a word or two
    help: str  # in the help and the palette: a sentence
    shown: bool = True  # in the footer
    priority: bool = False  # taken before the focused widget sees it
    for_strangers: str = ""  # the help on the page of stories, from which no way leads to anything else


TITLES = {  # in the order of the help: what is nearest first
    "log": "Log",
    "chart": "Charts",
    "stories": "Stories",
    "compare": "Compare",
    "editor": "Editor",
    "experiments": "Experiments and runs",
    "run": "A run",
    "table": "Lists",
    "app": "Everywhere",
}

KEYS: dict[str, Sequence[Key]] = {
    "app": (
        Key("escape", "back", "back", "Go back to where you came from.", shown=False),
        Key("question_mark,f1", "help", "help", "Show the keys that work here."),
        Key("ctrl+o", "jump", "jump", "Jump to any experiment or run by typing part of its name.", shown=False),
        Key(
            "b",
            "flip_direction",
            "direction",
            "Flip who orders right-to-left text: this program, or your terminal.",
            shown=False,
        ),
        Key("t", "theme", "theme", "Next colour theme, light or dark.", shown=False),
        Key("q", "quit", "quit", "Quit. Runs go on, and are found again when you come back."),
    ),
    "experiments": (
        Key("enter", "open", "open", "Open: from an experiment to its runs, from a run to its charts."),
        Key("r", "start", "run", "Train this experiment, in a process of its own."),
        Key("R", "start_with", "run with …", "Train it with some keys changed for this time.", shown=False),
        Key("s", "stop", "stop", "End the run after its current step; a checkpoint is kept."),
        Key("c", "resume", "continue", "Go on with a run where its last checkpoint left it."),
        Key("x,delete", "delete", "delete", "Delete a run, or an experiment's file. Asks first.", shown=False),
        Key("g", "stories", "stories", "Have stories written by the run's checkpoint, and read them."),
        Key("e", "edit", "edit", "Edit the experiment here, checked as you type."),
        Key("E", "edit_outside", "in $EDITOR", "Edit the experiment in your own editor.", shown=False),
        Key("n", "new", "new", "A new experiment that begins as a copy of this one.", shown=False),
        Key("m", "rename", "rename", "Give the experiment another name; its runs go with it.", shown=False),
        Key("i", "annotate", "notes", "Notes and tags on a run.", shown=False),
        Key("p", "copy_path", "path", "Show the folder's or file's path, and copy it.", shown=False),
        Key("space", "mark", "mark", "Mark a run to compare it; on an experiment, its best run."),
        Key("v", "compare", "compare", "Compare the marked runs."),
        Key("slash", "filter", "filter", "Show only what contains the words that you type."),
        Key("o", "sort", "sort", "Sort by the next column.", shown=False),
        Key("O", "sort_backwards", "reverse", "Turn the order round.", shown=False),
        Key("1", "pane(1)", "experiments", "The experiments.", shown=False),
        Key("2", "pane(2)", "runs", "The runs of the experiment.", shown=False),
        Key("3", "pane(3)", "charts", "The charts of the run.", shown=False),
    ),
    "table": (
        Key("down,j", "cursor_down", "down", "Next line.", shown=False),
        Key("up,k", "cursor_up", "up", "Previous line.", shown=False),
        Key("pagedown", "page_down", "page down", "A screenful down.", shown=False),
        Key("pageup", "page_up", "page up", "A screenful up.", shown=False),
        Key("home", "scroll_top", "first", "First line.", shown=False),
        Key("end,G", "scroll_bottom", "last", "Last line.", shown=False),
        Key("right,l", "scroll_right", "right", "Columns further right.", shown=False),
        Key("left,h", "scroll_left", "left", "Columns further left.", shown=False),
    ),
    "run": (
        Key("1", "tab('charts')", "charts", "The charts.", shown=False),
        Key("2", "tab('log')", "log", "What the engine says.", shown=False),
        Key("3", "tab('samples')", "samples", "The stories written along the way.", shown=False),
        Key("4", "tab('config')", "config", "The experiment as it runs, and what its file says now.", shown=False),
        Key("5", "tab('system')", "system", "The machine, its use, the versions.", shown=False),
        Key("g", "stories", "stories", "Have stories written by the run's checkpoint, and read them."),
        Key("s", "stop", "stop", "End the run after its current step; a checkpoint is kept."),
        Key("c", "resume", "continue", "Go on with the run where its last checkpoint left it."),
        Key("r", "start", "run again", "Train the experiment anew, as its file says now.", shown=False),
        Key("R", "start_with", "run with …", "Train it with some keys changed for this time.", shown=False),
        Key("e", "edit", "edit", "Edit the experiment here, checked as you type.", shown=False),
        Key("E", "edit_outside", "in $EDITOR", "Edit the experiment in your own editor.", shown=False),
        Key("x,delete", "delete", "delete", "Delete the run. Asks first.", shown=False),
        Key("i", "annotate", "notes", "Notes and tags on the run.", shown=False),
        Key("p", "copy_path", "path", "Show the run's folder, and copy its path.", shown=False),
        Key("space", "mark", "mark", "Mark the run to compare it.", shown=False),
        Key("v", "compare", "compare", "Compare the marked runs with this one.", shown=False),
        Key("o", "overlay", "overlay", "Draw the experiment's other runs behind this one.", shown=False),
    ),
    "log": (
        Key("slash", "search", "search", "Find words in the log."),
        Key("n", "next_match", "next", "Next place that fits.", shown=False),
        Key("N", "previous_match", "previous", "Previous place that fits.", shown=False),
        Key("G,end", "follow", "follow", "Go to the end, and follow it."),
        Key("home", "top", "top", "Go to the beginning.", shown=False),
        Key("j,down", "scroll_down", "down", "A line down.", shown=False),
        Key("k,up", "scroll_up", "up", "A line up.", shown=False),
    ),
    "chart": (
        Key("y", "log_y", "log y", "Linear or logarithmic y axis."),
        Key("X", "log_x", "log x", "Linear or logarithmic x axis.", shown=False),
        Key("a", "next_axis", "x axis", "What x is: steps, tokens or hours of work."),
        Key("w", "smoothing", "smooth", "More smoothing, or none; the raw line stays behind it."),
        Key("left,h", "crosshair(-1)", "cross-hair", "Cross-hair one point to the left.", shown=False),
        Key("right,l", "crosshair(1)", "cross-hair", "Cross-hair one point to the right.", shown=False),
        Key("shift+left,H", "crosshair(-10)", "far left", "Cross-hair ten points to the left.", shown=False),
        Key("shift+right,L", "crosshair(10)", "far right", "Cross-hair ten points to the right.", shown=False),
        Key("home", "crosshair_end(-1)", "first", "Cross-hair to the first point.", shown=False),
        Key("end", "crosshair_end(1)", "last", "Cross-hair to the last point.", shown=False),
        Key("plus,equals_sign", "zoom(1)", "zoom in", "Zoom in around the cross-hair.", shown=False),
        Key("minus", "zoom(-1)", "zoom out", "Zoom out.", shown=False),
        Key("left_square_bracket", "pan(-1)", "pan left", "Move a zoomed chart to the left.", shown=False),
        Key("right_square_bracket", "pan(1)", "pan right", "Move a zoomed chart to the right.", shown=False),
        Key("0", "reset", "reset", "Show everything again, and follow the run.", shown=False),
        Key("f", "full_screen", "full screen", "This chart alone, or all of them again."),
        Key("escape", "leave", "leave", "Put the cross-hair away, then the zoom, then go back.", shown=False),
    ),
    "stories": (
        Key(
            "escape",
            "leave",
            "stop",
            "Stop writing; then put the cursor away; then go back.",
            shown=False,
            for_strangers="Stop writing; then put the cursor away.",
        ),
        Key("enter,i", "prompt", "prompt", "Back to the prompt."),
        Key("r", "retry", "again", "Another story from the same prompt."),
        Key("c", "go_on", "go on", "Write on from the end, or from the token under the cursor."),
        Key("e", "edit_on", "edit", "Change the story in the prompt's place, and write on from there."),
        Key("p", "colours", "tokens", "Colour each token by its probability: the less likely, the stronger."),
        Key("left,h", "cursor(-1)", "token before", "The token before, and what else it might have been.", shown=False),
        Key("right,l", "cursor(1)", "token after", "The token after, and what else it might have been.", shown=False),
        Key("left_square_bracket", "sample(-1)", "sample before", "The sample before.", shown=False),
        Key("right_square_bracket", "sample(1)", "sample after", "The sample after.", shown=False),
        Key("y", "copy", "copy", "Copy the story."),
        Key("w", "save", "save", "Save the story to a file, with its settings."),
        Key("n", "checkpoint", "checkpoint", "Write with the other checkpoint: best or last.", shown=False),
        Key("u", "newest", "newer", "Take the better checkpoint that training has saved meanwhile."),
        Key(
            "v",
            "beside",
            "beside",
            "A second writer beside the first: the other checkpoint, or the run that is marked.",
            shown=False,
            for_strangers="A second writer beside the first: the other checkpoint.",
        ),
    ),
    "compare": (
        Key("1", "pane(1)", "charts", "The curves.", shown=False),
        Key("2", "pane(2)", "results", "The table of results.", shown=False),
        Key("3", "pane(3)", "differences", "The keys in which the runs differ.", shown=False),
        Key("4", "pane(4)", "reference", "The figures of the reference's notebooks, beside ours.", shown=False),
        Key("enter", "open", "open", "Open the run under the cursor of the results.", shown=False),
        Key("m", "metric", "metric", "Chart the next metric: loss, perplexity, learning rate and so on."),
        Key("x,delete", "unmark", "drop", "Take the run under the cursor out of the comparison."),
    ),
    "editor": (
        Key("ctrl+s", "save", "save", "Save the file.", priority=True),
        Key("ctrl+r", "save_and_run", "save and run", "Save the file and train it.", priority=True),
        Key("f8", "next_problem", "next problem", "Jump to the next problem."),
        Key("f6", "next_pane", "next pane", "From the text to the problems and back.", shown=False),
        Key("escape", "leave", "back", "Back to the experiments; asks where something is unsaved."),
    ),
}


def key_id(group: str, key: Key) -> str:
    """The name by which a person remaps it: `run.stop`, `chart.zoom(1)`.

    What is done to a run has one name, whether the run is in a list or fills the screen.
    """
    shared = group == "experiments" and any(key.action == other.action for other in KEYS["run"])
    return f"{'run' if shared else group}.{key.action}"


def unknown_ids(keymap: Iterable[str]) -> str | None:
    """What is wrong with the names in a person's keymap, if anything is."""
    known = {key_id(group, key) for group, keys in KEYS.items() for key in keys}
    unknown = [name for name in keymap if name not in known]
    return f"settings: [keys] {', '.join(unknown)}: no key is named so; the help lists the names" if unknown else None


def bindings(group: str) -> list[BindingType]:
    """The group's keys as Textual wants them."""
    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            show=key.shown,
            priority=key.priority,
            tooltip=key.help,
            id=key_id(group, key),
        )
        for key in KEYS[group]
    ]
