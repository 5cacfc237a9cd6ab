"""A list that is sorted, filtered and fitted, and whose cursor stays with its row."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App, ComposeResult

from slm_tui.tables import Column
from slm_tui.widgets.fact_table import FactTable

NAMES = ("apple", "banana", "cherry", "date")
LOSSES = (2.0, None, 11.0, 1.0)


def columns(losses: Sequence[float | None] = LOSSES) -> list[Column]:
    cells = [f"{loss:.1f}" if loss is not None else "" for loss in losses]
    return [
        Column("name", NAMES),
        Column("loss", cells, right=True, values=losses),
        Column("about", [f"all there is to say of {name}" for name in NAMES], 1),
    ]


class Shown(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.moves: list[str | None] = []

    def compose(self) -> ComposeResult:
        yield FactTable(id="table")

    def on_mount(self) -> None:
        self.table.show(NAMES, columns(), ["", "", "red", ""])
        self.table.focus()

    @property
    def table(self) -> FactTable:
        return self.query_one(FactTable)

    def titles(self) -> list[str]:
        return [str(column.label) for column in self.table.ordered_columns]

    def on_fact_table_moved(self, message: FactTable.Moved) -> None:
        self.moves.append(message.key)


async def test_unknown_values_come_last_in_either_order() -> None:
    app = Shown()
    async with app.run_test():
        app.table.sort_by("loss")
        assert app.table.shown_keys == ["date", "apple", "cherry", "banana"]
        app.table.sort_by("loss", backwards=True)
        assert app.table.shown_keys == ["cherry", "apple", "date", "banana"]


async def test_a_filter_wants_every_word_in_any_column_or_in_what_is_searched_too() -> None:
    app = Shown()
    async with app.run_test():
        app.table.filter("SAY an")
        assert app.table.shown_keys == ["banana"]
        app.table.filter("red")
        assert app.table.shown_keys == ["cherry"]
        app.table.filter("nothing")
        assert app.table.shown_keys == [] and app.table.cursor_key is None
        app.table.filter("")
        assert app.table.shown_keys == list(NAMES)


async def test_the_cursor_stays_with_its_row() -> None:
    app = Shown()
    async with app.run_test() as pilot:
        await pilot.press("j", "down")
        assert app.table.cursor_key == "cherry"
        app.table.sort_by("loss", backwards=True)
        assert app.table.cursor_key == "cherry" and app.table.cursor_row == 0
        app.table.show(NAMES, columns((0.5, None, 0.1, 1.0)))
        assert app.table.cursor_key == "cherry" and app.table.cursor_row == 2
        await pilot.pause()
        assert app.moves == ["apple", "banana", "cherry"], "only a move is told, not a change of place"


async def test_what_matters_least_goes_where_there_is_no_room() -> None:
    app = Shown()
    async with app.run_test(size=(80, 10)) as pilot:
        assert app.titles() == ["name", "loss", "about"]
        await pilot.resize_terminal(30, 10)
        assert app.titles() == ["name", "loss"]
        await pilot.resize_terminal(80, 10)
        assert app.titles() == ["name", "loss", "about"]


async def test_a_click_on_a_title_sorts_and_a_second_one_turns_it_round() -> None:
    app = Shown()
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.click(FactTable, offset=(10, 0))
        assert app.table.shown_keys[0] == "date" and app.titles()[1] == "loss ▴"
        await pilot.click(FactTable, offset=(10, 0))
        assert app.table.shown_keys[0] == "cherry" and app.titles()[1] == "loss ▾"


async def test_it_bears_the_smallest_terminal() -> None:
    app = Shown()
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.resize_terminal(3, 1)
        await pilot.resize_terminal(80, 10)
        assert app.table.shown_keys == list(NAMES)
