"""A list of facts: sorted by any column, filtered by words, fitted to the width there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.coordinate import Coordinate
from textual.message import Message
from textual.widgets import DataTable

from slm_tui.keys import bindings
from slm_tui.tables import Column, fitting
from slm_tui.themes import state_style

_QUIET = frozenset({"curve", "tags", "data", "tokenizer", "ran"})
_ARROWS = {False: " ▴", True: " ▾"}


class FactTable(DataTable[Text], inherit_bindings=False):
    """Rows that keep their cursor when what they say changes, by a key that each row has."""

    BINDINGS = bindings("table")

    @dataclass
    class Moved(Message):
        """The cursor stands on another row; `key` is None where there is none."""

        table: FactTable
        key: str | None

        @property
        def control(self) -> FactTable:
            return self.table

    @dataclass
    class Opened(Message):
        """A row was clicked on twice."""

        table: FactTable
        key: str

        @property
        def control(self) -> FactTable:
            return self.table

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1, cursor_foreground_priority="renderable")
        self.sort_title = ""  # the column's title; "" is the order as given
        self.backwards = False
        self.words = ""
        self._keys: Sequence[str] = ()
        self._columns: Sequence[Column] = ()
        self._search: Sequence[str] = ()
        self._shown: tuple[list[str], list[str]] = ([], [])  # row keys and column labels
        self._told: str | None = None

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor."""
        keys = self._shown[0]
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    @property
    def shown_keys(self) -> Sequence[str]:
        return self._shown[0]

    def show(self, keys: Sequence[str], columns: Sequence[Column], search: Sequence[str] = ()) -> None:
        """These rows, in this order unless sorted; `search` is what a filter sees beside the cells."""
        self._keys, self._columns, self._search = keys, columns, search or [""] * len(keys)
        self._draw()

    def filter(self, words: str) -> None:
        """Only rows that contain every word, in any column; the cursor goes to the first of them."""
        self.words = words
        self._draw()
        if words.strip():
            self.move_cursor(row=0)

    def sort_by(self, title: str, backwards: bool = False) -> None:
        self.sort_title, self.backwards = title, backwards
        self._draw()

    def next_sort(self) -> str:
        """Sort by the next column, or by none after the last; its title."""
        titles = ["", *(column.title for column in fitting(self._columns, self._room()) if column.title)]
        place = titles.index(self.sort_title) + 1 if self.sort_title in titles else 0
        self.sort_by(titles[place % len(titles)])
        return self.sort_title

    def go_to(self, key: str) -> None:
        """Put the cursor on the row `key`, if it is shown."""
        if key in self._shown[0]:
            self.move_cursor(row=self._shown[0].index(key))

    def _room(self) -> int:
        # textual puts a padding at both ends of a row, `fitting` counts gaps between columns only
        return max(1, self.size.width - 2 * self.cell_padding - self.scrollbar_size_vertical)

    def _draw(self) -> None:
        if not self.is_mounted or not self._columns:
            return
        columns = fitting(self._columns, self._room())
        rows = self._order()
        keys = [self._keys[row] for row in rows]
        labels = [self._label(column) for column in columns]
        with self.app.batch_update():
            if (keys, labels) == self._shown and all(map(self._has_room, range(len(columns)), columns)):
                self._update_cells(rows, columns)
            else:
                self._rebuild(keys, labels, rows, columns)
        self._tell()

    def _label(self, column: Column) -> str:
        arrow = _ARROWS[self.backwards] if column.title and column.title == self.sort_title else ""
        return column.title + arrow

    def _order(self) -> list[int]:
        words = self.words.casefold().split()
        rows = range(len(self._keys))
        found = [row for row in rows if all(word in self._haystack(row) for word in words)] if words else list(rows)
        column = next((column for column in self._columns if column.title == self.sort_title), None)
        if column is None or not self.sort_title:
            return found[::-1] if self.backwards else found
        values: Sequence[Any] = column.values or [cell.casefold() or None for cell in column.cells]
        known = sorted((row for row in found if values[row] is not None), key=lambda row: values[row])
        return (known[::-1] if self.backwards else known) + [row for row in found if values[row] is None]

    def _haystack(self, row: int) -> str:
        return " ".join([*(column.cells[row] for column in self._columns), self._search[row]]).casefold()

    def _update_cells(self, rows: Sequence[int], columns: Sequence[Column]) -> None:
        for place, row in enumerate(rows):
            for number, column in enumerate(columns):
                cell, coordinate = self._cell(column, row), Coordinate(place, number)
                before = self.get_cell_at(coordinate)
                if before != cell or before.style != cell.style:  # texts are equal in any style
                    self.update_cell_at(coordinate, cell)

    def _has_room(self, number: int, column: Column) -> bool:
        return column.width <= self.ordered_columns[number].width

    def _rebuild(self, keys: list[str], labels: list[str], rows: Sequence[int], columns: Sequence[Column]) -> None:
        before, place = self.cursor_key, self.cursor_row
        self.clear(columns=True)
        for column, label in zip(columns, labels, strict=True):
            # A width of our own: one that the table finds out after the first drawing leaves rows in the old one.
            width = max(column.width, cell_len(label))
            self.add_column(Text(label, justify="right" if column.right else "left"), width=width)
        for row, key in zip(rows, keys, strict=True):
            self.add_row(*(self._cell(column, row) for column in columns), key=key)
        self._shown = (keys, labels)
        self.move_cursor(row=keys.index(before) if before in keys else min(place, max(0, len(keys) - 1)))

    def _tell(self) -> None:
        """Say where the cursor stands, if that has changed."""
        if self.cursor_key != self._told:
            self._told = self.cursor_key
            self.post_message(self.Moved(self, self.cursor_key))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        if len(self._shown[0]) == self.row_count:  # not in the middle of a rebuild
            self._tell()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if self.cursor_key is not None:
            self.post_message(self.Opened(self, self.cursor_key))

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        event.stop()
        title = fitting(self._columns, self._room())[event.column_index].title
        self.sort_by(title, not self.backwards if title == self.sort_title else False)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _cell(self, column: Column, row: int) -> Text:
        text = column.cells[row]
        style = state_style(self.app, text) if column.is_state else "dim" if column.title in _QUIET else ""
        return Text(text, style, justify="right" if column.right else "left", no_wrap=True)
