"""Stories as they come, and those that a run keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tomli

from engine.contract.experiment import Sampling
from engine.contract.generation import Text, Token
from engine.runs.run import Run
from slm_tui.story_book import KeptStory, Story, TokenSpan, as_file, keep, kept_stories, settings_of, stories_file


def token(number: int, probability: float = 0.5) -> Token:
    return Token(number, probability, [("x", probability)])


def kept(text: str = "Once there was a hen.", seed: int = 7) -> KeptStory:
    return KeptStory(
        prompt="Once",
        text=text,
        tokens=5,
        reason="end_of_text",
        seed=seed,
        sample=0,
        checkpoint="best",
        step=300,
        val_loss=1.5,
        sampling=settings_of(Sampling(temperature=0.5, prompts=("a", "b"))),
    )


def test_a_story_grows_and_knows_which_tokens_made_which_text() -> None:
    story = Story("Once")
    assert story.add(Text(" upon", tokens=[token(1)])) == " upon"
    story.add(Text(" a time", tokens=[token(2, 0.9), token(3, 0.1)]))
    assert story.text == "Once upon a time" and story.tokens == 3
    assert story.pieces == [TokenSpan(4, 9, (token(1),)), TokenSpan(9, 16, (token(2, 0.9), token(3, 0.1)))]
    assert story.pieces[1].probability == 0.1


def test_tokens_whose_characters_are_not_whole_yet_belong_to_the_text_that_completes_them() -> None:
    story = Story("")
    story.add(Text("", tokens=[token(1)]))
    assert story.pieces == [] and story.tokens == 1
    story.add(Text("ب", tokens=[token(2)]))
    assert story.pieces == [TokenSpan(0, 1, (token(1), token(2)))]
    story.add(Text("."))  # the end of what was held back: of no token
    assert story.text == "ب." and len(story.pieces) == 1


def test_what_is_kept_is_read_again_in_its_order_and_damage_costs_one_line(new_run: Callable[..., Run]) -> None:
    run = new_run()
    assert kept_stories(run) == []
    first, second = kept("كان يا ما كان\n", seed=1), kept(seed=2)
    keep(run, first)
    with open(stories_file(run), "ab") as file:
        file.write(b'{"prompt": "torn\n\xff\n[]\n')
    keep(run, second)
    assert kept_stories(run) == [first, second]


def test_a_saved_story_stands_as_written_with_its_settings_as_toml(new_run: Callable[..., Run]) -> None:
    run, story = new_run(), kept("Once: a story\n\n---\nwith a line.")
    text, _, settings = as_file(run, story).rpartition("\n\n---\n")
    assert text == story.text
    facts = tomli.loads(settings)
    assert (facts["run"], facts["seed"], facts["sampling"]["temperature"]) == (str(run), 7, 0.5)
    assert "prompts" not in facts["sampling"]


def test_a_story_that_cannot_be_kept_is_told(new_run: Callable[..., Run]) -> None:
    run = new_run()
    stories_file(run).mkdir()
    with pytest.raises(OSError):
        keep(run, kept())


def test_a_line_that_a_full_disk_has_torn_costs_no_story_after_it(new_run: Callable[..., Run]) -> None:
    run = new_run([])
    keep(run, kept())
    stories_file(run).write_bytes(stories_file(run).read_bytes() + b'{"prompt": "Onc')
    keep(run, kept("Another.", seed=8))
    assert [story.seed for story in kept_stories(run)] == [7, 8]
