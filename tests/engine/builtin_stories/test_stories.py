"""The built-in corpus: distinct, the same everywhere, and well written."""

import hashlib
import os
import random
import re
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest

from engine.builtin_stories.english.grammar import PLOTS
from engine.builtin_stories.english.story import Plot, Slots, narrate
from engine.builtin_stories.english.words import BOYS, GIRLS
from engine.builtin_stories.stories import LANGUAGES, _distinct, stories
from engine.contract.errors import UserError

COUNT = 20_000
SAMPLE = 5_000  # enough to meet every sentence
NAME = re.compile(rf"\b({'|'.join(GIRLS + BOYS)})\b")
BOTH = pytest.mark.parametrize("language", LANGUAGES)


@cache
def corpus(language: str) -> tuple[str, ...]:
    return tuple(stories(language, COUNT))


def digest_in_a_new_process(language: str, hash_seed: str) -> str:
    script = (
        "import hashlib, sys; from engine.builtin_stories.stories import stories; "
        f"told = '\\0'.join(stories({language!r}, 200, seed=7)); "
        "heavy = {'torch', 'datasets', 'transformers', 'numpy'} & set(sys.modules); "
        "print(hashlib.sha256(told.encode()).hexdigest(), sorted(heavy))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("language", "digest"),
    [
        ("english", "6832487668007f9d82c4b30d6a28893aa351c0bc2ef21b2d4820b435939affcc"),
        ("arabic", "5bc78b14d053facc274d8971af54398de71434f90192249fa949d382373770aa"),
    ],
)
def test_the_stories_are_those_that_prepared_data_are_known_by(language: str, digest: str) -> None:
    """A grammar that tells other stories wants another entry in VERSIONS."""
    assert hashlib.sha256("\0".join(corpus(language)[:2_000]).encode()).hexdigest() == digest


@BOTH
def test_twenty_thousand_stories_are_distinct(language: str) -> None:
    assert len(set(corpus(language))) == COUNT


@BOTH
def test_every_process_tells_the_same_stories_and_imports_nothing_heavy(language: str) -> None:
    told = "\0".join(stories(language, 200, seed=7))
    expected = f"{hashlib.sha256(told.encode()).hexdigest()} []"
    assert digest_in_a_new_process(language, "1") == expected
    assert digest_in_a_new_process(language, "2") == expected


@BOTH
def test_a_longer_corpus_begins_with_the_shorter_one(language: str) -> None:
    assert list(stories(language, 100)) == list(stories(language, 1000))[:100]


@BOTH
def test_another_seed_tells_other_stories(language: str) -> None:
    assert not set(stories(language, 300, seed=1)) & set(stories(language, 300, seed=2))


@BOTH
def test_no_validation_story_is_in_the_training_split(language: str) -> None:
    shuffled = list(corpus(language))
    random.Random(42).shuffle(shuffled)
    validation, training = shuffled[:2000], shuffled[2000:]
    assert not set(validation) & set(training)


@BOTH
@pytest.mark.parametrize(
    "flaw",
    [r"[{}|@]", "None", "  ", r"\s[.,!?؟،؛]", r"[.!?؟,،]{2}", r"^\s|\s\Z", r"\n\s", r"[ \t]\n"],
)
def test_no_story_has_a_typographic_flaw(language: str, flaw: str) -> None:
    pattern = re.compile(flaw)
    assert [story for story in corpus(language)[:SAMPLE] if pattern.search(story)] == []


@pytest.mark.parametrize(
    "flaw",
    [
        r"\b[Aa] [aeiouAEIOU]",
        r"\b[Aa]n (?!hour)[^aeiou]",
        r"[.!?] [a-z]",  # a sentence opens with a capital; after a quotation, `" said` follows the quote mark
        r"(^|\n)\"?[a-z]",
        r"[a-z] \"",
        r"\b(\w+) \1\b",
    ],
)
def test_articles_and_capitals_are_right_in_english(flaw: str) -> None:
    pattern = re.compile(flaw)
    assert [story for story in corpus("english")[:SAMPLE] if pattern.search(story)] == []


def test_quotation_marks_are_paired_within_each_english_paragraph() -> None:
    paragraphs = [paragraph for story in corpus("english")[:SAMPLE] for paragraph in story.split("\n")]
    assert [paragraph for paragraph in paragraphs if paragraph.count('"') % 2] == []


def test_somebody_speaks_in_every_english_story() -> None:
    assert [story for story in corpus("english")[:SAMPLE] if '"' not in story] == []


def test_english_stories_are_short_and_have_a_few_paragraphs() -> None:
    lengths = [len(story.split()) for story in corpus("english")]
    assert 70 <= min(lengths) <= max(lengths) <= 150
    assert {len(story.split("\n")) for story in corpus("english")} <= {2, 3, 4}


def test_the_english_hero_is_named_again_and_again() -> None:
    for story in corpus("english")[:SAMPLE]:
        hero = NAME.search(story)
        assert hero, story
        assert Counter(NAME.findall(story))[hero[0]] >= 5, story
        assert hero[0] in story.split("\n")[-1], story


def test_at_most_one_friend_has_a_name_beside_the_hero() -> None:
    assert max(len(set(NAME.findall(story))) for story in corpus("english")[:SAMPLE]) == 2


def test_pronouns_agree_with_the_hero() -> None:
    for story in corpus("english")[:SAMPLE]:
        opening = story.split("\n")[0]
        hero = NAME.findall(opening)[0]
        wrong = "He" if hero in GIRLS else "She"
        assert not re.search(rf"\b{wrong}\b|\b{wrong.lower()} (was|had|wanted|loved) ", opening), story


def test_english_stories_differ_by_more_than_names() -> None:
    nameless = {NAME.sub("NAME", story) for story in corpus("english")}
    assert len(nameless) > 0.99 * COUNT


def test_no_eight_words_are_in_one_english_story_of_fifteen() -> None:
    shingles: Counter[str] = Counter()
    sample = corpus("english")[:SAMPLE]
    for story in sample:
        words = NAME.sub("NAME", story).split()
        shingles.update({" ".join(words[start : start + 8]) for start in range(len(words) - 7)})
    (_, most), *_ = shingles.most_common(1)
    assert most < len(sample) / 15


def test_the_english_vocabulary_is_small_and_every_word_comes_back() -> None:
    counts = Counter(word for story in corpus("english") for word in re.findall(r"[a-z]+", story.lower()))
    assert 800 <= len(counts) <= 1500
    assert min(counts.values()) >= 20


def test_every_way_of_every_plot_can_be_told() -> None:
    told = "\n".join(corpus("english"))
    ways = [way for plot in PLOTS for beats in plot.paragraphs for beat in beats for way in beat.ways]
    assert [way for way in ways if "{" not in way and way not in told] == []


def test_a_script_says_one_way_of_each_beat_and_optional_beats_now_and_then() -> None:
    script = "- {Hero} has a {thing}. | {hero} likes the {thing}.\n? Good.\n\n- Bye, {hero}."
    plot = Plot(script, thing=("apple", "pear"))
    told = set()
    for seed in range(200):
        slots = Slots(random.Random(seed))
        slots["hero"] = "ann"
        told.add(narrate(plot, slots))
    beginnings = ("Ann has an apple.", "Ann has a pear.", "ann likes the apple.", "ann likes the pear.")
    assert told == {begin + more + "\nBye, ann." for begin in beginnings for more in ("", " Good.")}


def test_an_unknown_language_is_refused_at_once_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"'englsh'.*english or arabic.*Did you mean 'english'"):
        stories("englsh", 5)


def test_a_grammar_with_too_few_stories_says_how_many_it_has() -> None:
    told = _distinct(lambda rng: rng.choice(("one", "two", "three")), 5, random.Random(0), "tiny")
    with pytest.raises(UserError, match=r"5 asked for.*only about 3"):
        list(told)
