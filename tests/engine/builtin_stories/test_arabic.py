"""The Arabic story grammar: agreement, spelling, punctuation, variety."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import pytest

from engine.builtin_stories.arabic.agreement import PAST, SECOND_PERSON, feminine, pairs
from engine.builtin_stories.arabic.grammar import PLOTS, tell
from engine.builtin_stories.arabic.telling import Story, accusative, possessed
from engine.builtin_stories.arabic.words import BOYS, FEMALE_ANIMAL_NAMES, GIRLS, MALE_ANIMAL_NAMES

COUNT = 20_000
FEMALE_NAMES = {*GIRLS, *FEMALE_ANIMAL_NAMES}
MALE_NAMES = {*BOYS, *MALE_ANIMAL_NAMES}
NAMES = FEMALE_NAMES | MALE_NAMES
WORD = re.compile(r"[\u0621-\u0652]+")
# Verbs that only a man and that only a woman takes, beside a name and, said to somebody, before "يا" and a name.
TOLD = (set(pairs(PAST)), set(pairs(PAST).values()))
SAID = (
    set(pairs(SECOND_PERSON)) - set(pairs(SECOND_PERSON).values()),
    set(pairs(SECOND_PERSON).values()) - set(pairs(SECOND_PERSON)),
)


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    return [tell(random.Random(seed)) for seed in range(COUNT)]


def disagreements(story: str) -> list[str]:
    """Names beside a verb or adjective of the wrong gender: "قال ليلى", "تحزن يا ليلى", "كانت ليلى يلعب"."""
    found = []
    for clause in re.split(r"[.!؟،:«»\n]", story):
        words = clause.split()
        for i, name in enumerate(words):
            if name not in NAMES:
                continue
            female = name in FEMALE_NAMES
            addressed = words[max(i - 1, 0) : i] == ["يا"]
            before = words[max(i - 2, 0) : i - 1] if addressed else words[max(i - 1, 0) : i]
            wrong = (SAID if addressed else TOLD)[not female]
            for word in before:
                if {word, word[1:] if word[0] in "وف" else word} & wrong:
                    found.append(f"{word} {name}")
            after = words[i + 1 : i + 2]
            wrong_predicate = r"ي.*|(?!بنتًا).*ًا" if female else r"ت.*|.*ة"
            if before and re.fullmatch("و?(كان|صار)ت?", before[0]) and re.fullmatch(wrong_predicate, "".join(after)):
                found.append(f"{name} {after[0]}")
    return found


def test_verbs_agree_with_the_name_beside_them(corpus: list[str]) -> None:
    assert [wrong for story in corpus for wrong in disagreements(story)] == []


def test_the_agreement_check_notices_a_wrong_word() -> None:
    wrong = "قال ليلى: «لا تحزني يا خالد.» كانت ليلى يلعب، وضحكت زياد. كان خالد سعيدة."
    assert disagreements(wrong) == ["قال ليلى", "تحزني خالد", "ليلى يلعب", "وضحكت زياد", "خالد سعيدة"]
    right = "قالت ليلى: «لا تحزن يا خالد.» كانت ليلى تلعب، وضحك زياد. كان خالد سعيدًا."
    assert disagreements(right) == []


@pytest.mark.parametrize("plot", PLOTS)
def test_changing_the_heros_gender_changes_the_story(plot: Callable[[Story], str]) -> None:
    """Every plot is told of both, introduces the hero as one of them, and keeps to it."""
    for female in (False, True):
        heroes = [hero(story) for story in (plot(Story(random.Random(seed))) for seed in range(200))]
        assert sum((name in FEMALE_NAMES) == female for name in heroes) > 50


def test_forms_by_rule_and_by_table() -> None:
    masculine = ["قال", "أمه", "يلعب", "سعيدًا", "يده", "يأكله"]
    assert [feminine(word) for word in masculine] == ["قالت", "أمها", "تلعب", "سعيدة", "يدها", "تأكله"]
    with pytest.raises(KeyError):
        feminine("حديقت")
    assert accusative("قط صغير") == "قطًا صغيرًا"
    assert accusative("كرة") == "كرة"
    assert accusative("كلب أسود") == "كلبًا أسود"
    assert possessed("كرة") + "ه" == "كرته"


def test_only_arabic_letters_and_punctuation(corpus: list[str]) -> None:
    """No unfilled slot or mark, no Latin letter, no kashida, and no vowel sign but tanwin before alif."""
    allowed = set("ابتثجحخدذرزسشصضطظعغفقكلمنهويءآأؤإئىة" + "،؟.!:«» \n\u064b")
    assert set("".join(corpus)) <= allowed
    assert not re.search("\u064b(?!ا)", "".join(corpus))


def test_spacing_and_quotes(corpus: list[str]) -> None:
    for story in corpus:
        assert not re.search(r" [ ،.؟!:»\n]|« |\n |[،:](?![ ])|[.؟!](?![ »\n]|$)|\n\n|»[\u0621-\u064a]", story), story
        assert re.fullmatch("([^«»]*«[^«»]+»)*[^«»]*", story), story
        assert story[-1] in ".!»", story


def test_length_and_paragraphs(corpus: list[str]) -> None:
    for story in corpus:
        assert 50 <= len(story.split()) <= 110, story
        assert 2 <= len(story.split("\n")) <= 4, story


def hero(story: str) -> str:
    """The first name in the story."""
    return next(match[0] for match in WORD.finditer(story) if match[0] in NAMES)


def test_the_hero_is_named_again_and_again(corpus: list[str]) -> None:
    for story in corpus:
        sentences = re.split(r"(?<=[.!؟])[» \n]+", story)
        named = [hero(story) in WORD.findall(sentence) for sentence in sentences]
        assert sum(named) * 2 >= len(named), story
        assert all(any(named[i : i + 4]) for i in range(len(named) - 3)), story


def test_at_most_two_characters_have_names(corpus: list[str]) -> None:
    for story in corpus:
        assert len(NAMES & set(WORD.findall(story))) <= 2, story


def test_no_name_stands_where_it_would_need_a_tanwin(corpus: list[str]) -> None:
    for story in corpus:
        assert not re.search(rf"\b(لكن|أن|إن|لأن|كأن) ({'|'.join(NAMES)})\b", story), story


def test_vocabulary_is_small_and_every_word_frequent(corpus: list[str]) -> None:
    counts = Counter(word for story in corpus for word in WORD.findall(story))
    assert 800 <= len(counts) <= 1500
    assert sum(count < 20 for count in counts.values()) < 0.01 * len(counts)
    assert min(counts[name] for name in NAMES) > 1000


def test_stories_differ_by_more_than_names(corpus: list[str]) -> None:
    assert len(set(corpus)) == COUNT
    nameless = {re.sub(WORD, lambda m: "X" if m[0] in NAMES else m[0], story) for story in corpus}
    assert len(nameless) > 0.99 * COUNT


def test_a_seed_fixes_the_story() -> None:
    assert tell(random.Random(7)) == tell(random.Random(7))
    assert tell(random.Random(7)) != tell(random.Random(8))
