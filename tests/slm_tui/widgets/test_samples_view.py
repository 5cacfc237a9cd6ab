"""The stories of a run: the newest first, and the reader's place among them kept."""

from __future__ import annotations

from textual.app import App, ComposeResult

from engine.contract.events import Sample
from slm_tui.widgets.samples_view import SamplesView


def sample(step: int, text: str = "Once there was\na cat.") -> Sample:
    return Sample(step=step, prompt="Once", text=text)


class Shown(App[None]):
    def compose(self) -> ComposeResult:
        yield SamplesView()

    @property
    def view(self) -> SamplesView:
        return self.query_one(SamplesView)

    def rows(self) -> list[str]:
        return [self.view.render_line(row).text.strip() for row in range(self.view.size.height)]


async def test_it_says_when_there_will_be_stories() -> None:
    app = Shown()
    async with app.run_test(size=(90, 5)) as pilot:
        app.view.show([])
        await pilot.pause()
        assert app.rows()[0].startswith("No stories yet")


async def test_the_newest_story_comes_first_with_its_prompt_in_bold() -> None:
    app = Shown()
    async with app.run_test(size=(40, 9)) as pilot:
        app.view.show([sample(1000), sample(2000, "Once [b]سلام\x1b")])
        await pilot.pause()
        assert app.rows()[:6] == ["step 2,000", "Once [b]ﻡﺎﻠﺳ\ufffd", "", "step 1,000", "Once there was", "a cat."]
        bold = [segment.text for segment in app.view.render_line(1) if segment.style and segment.style.bold]
        assert bold == ["Once"]


async def test_a_new_story_does_not_move_what_is_being_read() -> None:
    app = Shown()
    async with app.run_test(size=(40, 4)) as pilot:
        samples = [sample(step) for step in range(1000, 9000, 1000)]
        app.view.show(samples)
        await pilot.pause()
        app.view.go_to(app.view.text.index("step 5,000"))
        assert app.rows()[0] == "step 5,000"
        app.view.show([*samples, sample(9000), sample(10000)])
        await pilot.pause()
        assert app.rows()[0] == "step 5,000"
        app.view.scroll_home(animate=False)
        app.view.show([*samples, sample(9000), sample(10000), sample(11000)])
        await pilot.pause()
        assert app.rows()[0] == "step 11,000", "at the top, the newest is what one wants"
