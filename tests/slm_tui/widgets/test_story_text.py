"""A story on the screen: what the cells show, the reader's place, and colours by place in the text."""

from __future__ import annotations

from rich.style import Style
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from slm_tui.settings import Settings
from slm_tui.widgets.story_text import StoryText

RED, BLUE = Style(color="red"), Style(color="blue")


class Shown(App[None]):
    def __init__(self, bidi: str = "app") -> None:
        super().__init__()
        self.settings = Settings(bidi=bidi)  # type: ignore[arg-type]

    def compose(self) -> ComposeResult:
        yield StoryText()

    @property
    def story(self) -> StoryText:
        return self.query_one(StoryText)

    def rows(self) -> list[str]:
        return [self.story.render_line(row).text for row in range(self.story.size.height)]

    def styled(self, row: int, style: Style) -> str:
        """What of a row is drawn in the colours of `style`."""
        return "".join(
            segment.text
            for segment in self.story.render_line(row)
            if segment.style is not None and segment.style.color == style.color
        )


async def settled(pilot: Pilot[None]) -> None:
    """Wait until all that was appended is drawn."""
    await pilot.pause()
    while pilot.app.query_one(StoryText).waits:
        await pilot.pause(0.01)
    await pilot.app.animator.wait_until_complete()


async def test_right_to_left_paragraphs_are_drawn_at_the_right_and_others_at_the_left() -> None:
    app = Shown()
    async with app.run_test(size=(23, 4)) as pilot:
        app.story.set_text("قال سلام\nabc")
        await settled(pilot)
        width = app.story.scrollable_size.width
        assert [row[:width] for row in app.rows()[:2]] == ["ﻡﺎﻠﺳ ﻝﺎﻗ".rjust(width), "abc".ljust(width)]
        assert len(app.rows()[0]) == app.story.size.width, "what the scroll bar will lie on is drawn, too"
        assert app.story.text == "قال سلام\nabc", "what is copied is what was written"


async def test_the_scroll_bar_hides_no_letter() -> None:
    app = Shown()
    async with app.run_test(size=(23, 4)) as pilot:
        app.story.set_text("قال سلام\n" * 9 + "12345678901234567890")
        await settled(pilot)
        app.story.go_to(0)
        await settled(pilot)
        first = "".join(segment.text for segment in app.screen._compositor.render_strips()[0])
        assert app.story.show_vertical_scrollbar
        assert "ﻡﺎﻠﺳ ﻝﺎﻗ" in first, "the line as the terminal gets it"


async def test_it_is_laid_out_anew_for_another_width_and_another_terminal() -> None:
    app = Shown()
    async with app.run_test(size=(40, 4)) as pilot:
        app.story.set_text("قال سلام abc")
        await settled(pilot)
        assert [row.strip() for row in app.rows()] == ["abc ﻡﺎﻠﺳ ﻝﺎﻗ", "", "", ""]
        await pilot.resize_terminal(12, 4)
        await settled(pilot)
        assert [row.strip() for row in app.rows()] == ["ﻡﺎﻠﺳ ﻝﺎﻗ", "abc", "", ""]
        app.story.order(here=False)
        assert [row.strip() for row in app.rows()] == ["قال سلام", "abc", "", ""]


async def test_the_setting_says_who_orders_the_text() -> None:
    app = Shown("terminal")
    async with app.run_test(size=(40, 4)) as pilot:
        app.story.set_text("سلام")
        await settled(pilot)
        assert app.rows()[0].strip() == "سلام"


async def test_markup_and_control_characters_are_shown() -> None:
    app = Shown()
    async with app.run_test(size=(40, 4)) as pilot:
        app.story.set_text("[red]a[/] \x1b[2J")
        await settled(pilot)
        assert app.rows()[0].strip() == "[red]a[/] \ufffd[2J"


async def test_the_end_is_followed_until_the_reader_scrolls_up() -> None:
    app = Shown()
    async with app.run_test(size=(20, 4)) as pilot:
        app.story.set_text("", follow=True)
        app.story.focus()
        for number in range(9):
            app.story.append(f"line {number}\n")
        await settled(pilot)
        assert app.rows()[2].strip() == "line 8"
        await pilot.press("up")
        await settled(pilot)
        top = app.rows()[0]
        app.story.append("more\nmore\n")
        await settled(pilot)
        assert not app.story.follows and app.rows()[0] == top
        await pilot.press("end")
        await settled(pilot)
        app.story.append("the last")
        await settled(pilot)
        assert app.story.follows and app.rows()[3].strip() == "the last"


async def test_pieces_that_come_fast_are_drawn_together() -> None:
    app = Shown()
    async with app.run_test(size=(40, 4)) as pilot:
        app.story.set_text("", follow=True)
        for piece in ("قال", " سلا", "م", " a", "b"):
            app.story.append(piece)
        assert app.rows()[0].strip() == "ﻝﺎﻗ" and app.story.waits
        assert app.story.text == "قال سلام ab"
        await settled(pilot)
        assert app.rows()[0].strip() == "ab ﻡﺎﻠﺳ ﻝﺎﻗ"


async def test_what_is_appended_before_there_is_a_size_is_kept() -> None:
    story = StoryText()
    story.set_text("one ")
    story.append("two", RED)
    assert story.text == "one two"


async def test_a_text_keeps_its_place_when_it_is_wrapped_anew() -> None:
    app = Shown()
    async with app.run_test(size=(30, 4)) as pilot:
        app.story.set_text("\n".join(f"paragraph {number} with some words" for number in range(20)))
        app.story.go_to(app.story.text.index("paragraph 9"))
        await settled(pilot)
        assert app.rows()[0].startswith("paragraph 9")
        await pilot.resize_terminal(16, 4)
        await settled(pilot)
        assert app.rows()[0].startswith("paragraph 9") and app.story.top == app.story.text.index("paragraph 9")


async def test_pieces_have_the_colour_of_their_place_in_the_text() -> None:
    app = Shown()
    async with app.run_test(size=(30, 4)) as pilot:
        app.story.set_text("", follow=True)
        app.story.append("قال ", RED)
        app.story.append("سَلا", BLUE)
        app.story.append("م")
        await settled(pilot)
        assert (app.styled(0, RED).strip(), app.styled(0, BLUE)) == ("ﻝﺎﻗ", "ﺎﻠﺳَ")
        app.story.colour([(4, 5, RED)])
        assert app.styled(0, RED) == "ﺳَ", "a mark has the colour of its letter"


async def test_the_marked_span_is_brought_into_sight() -> None:
    app = Shown()
    async with app.run_test(size=(30, 4)) as pilot:
        text = "\n".join(f"paragraph {number}" for number in range(20))
        app.story.set_text(text)
        place = text.index("15")
        app.story.mark((place, place + 2))
        await settled(pilot)
        marked = app.story.get_component_rich_style("story--mark").bgcolor
        shown = [segment for row in range(4) for segment in app.story.render_line(row)]
        assert [s.text for s in shown if s.style and s.style.bgcolor == marked] == ["15"]
        app.story.mark(None)
        shown = [segment for row in range(4) for segment in app.story.render_line(row)]
        assert not [s for s in shown if s.style and s.style.bgcolor == marked]


async def test_a_cell_leads_back_to_its_place_in_the_text() -> None:
    app = Shown()
    async with app.run_test(size=(30, 4)) as pilot:
        app.story.set_text("سلا\nab")
        await settled(pilot)
        width = app.story.scrollable_size.width
        assert [app.story.place_at(x, 0) for x in (width - 4, width - 3, width - 2, width - 1)] == [None, 2, 1, 0]
        assert [app.story.place_at(x, 1) for x in (0, 1, 2)] == [4, 5, None]
        assert app.story.place_at(0, 3) is None
