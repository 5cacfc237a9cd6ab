from __future__ import annotations

import random

import pytest

from engine.translation.sentences import pieces, sentences


def words(text: str) -> int:
    """A token count that a test can follow: a token a word, and one for every further six characters of it."""
    return sum(1 + (len(word) - 1) // 6 for word in text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ("هل أنت بخير؟ نعم. انتهت القصة۔ تمت", ["هل أنت بخير؟", "نعم.", "انتهت القصة۔", "تمت"]),
        ("A line\nand another", ["A line", "and another"]),
        ('"Can you jump?" she asked. "I can!"', ['"Can you jump?" she asked.', '"I can!"']),
        ("(It rained.) «نعم.» قال", ["(It rained.)", "«نعم.»", "قال"]),
        ("Wait... no. It cost 3.50 at www.shop.com now.", ["Wait... no.", "It cost 3.50 at www.shop.com now."]),
        ('Mr. Fox met Mrs. Hen and J. K. Dr. "St. Paul" said', ['Mr. Fox met Mrs. Hen and J. K. Dr. "St. Paul" said']),
    ],
)
def test_a_text_is_cut_where_sentences_end(text: str, expected: list[str]) -> None:
    assert [sentence for sentence, _ in sentences(text)] == expected


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\n One.  Two.\r\n\r\n\tThree \n", "a b", "One.\u2028Two", "x\x85y"])
def test_white_space_between_sentences_is_kept_as_it_is(text: str) -> None:
    found = list(sentences(text))
    assert "".join(sentence + gap for sentence, gap in found) == text
    assert all(sentence == sentence.strip() for sentence, _ in found)


def test_a_sentence_that_fits_stays_whole() -> None:
    assert list(pieces("one two, three four. Five", words, 4)) == [("one two, three four.", " "), ("Five", "")]


def test_a_longer_sentence_is_cut_after_a_clause_else_between_words_else_in_a_word() -> None:
    cut = [piece for piece, _ in pieces("one two, three four, five", words, 4)]
    assert cut == ["one two, three four,", "five"]
    cut = [piece for piece, _ in pieces("قال الولد، ثم ذهب إلى البيت مع أمه", words, 4)]
    assert cut == ["قال الولد،", "ثم ذهب إلى البيت", "مع أمه"]
    cut = [piece for piece, _ in pieces("one " + "x" * 30 + " two", words, 3)]
    assert cut == ["one", "x" * 18, "x" * 12 + " two"]


@pytest.mark.parametrize("limit", [1, 2, 5, 50])
def test_nothing_is_lost_and_every_piece_fits(limit: int) -> None:
    rng = random.Random(limit)
    for _ in range(200):
        text = "".join(
            rng.choice(["a", "ب", "long" * 4, " ", " ", ",", "، ", ". ", "؟", "\n", "🙂"]) for _ in range(80)
        )
        found = list(pieces(text, words, limit))
        assert "".join(piece + gap for piece, gap in found) == text
        assert all(words(piece) <= limit for piece, _ in found), found


def test_a_single_character_is_not_cut_whatever_it_costs() -> None:
    assert [piece for piece, _ in pieces("abc", len, 0)] == ["a", "b", "c"]


def test_text_without_any_end_is_cut_in_linear_time() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return words(text)

    text = "word " * 40_000 + "y" * 100_000
    assert "".join(piece + gap for piece, gap in pieces(text, count, 64)) == text
    assert counted < 100 * len(text)
