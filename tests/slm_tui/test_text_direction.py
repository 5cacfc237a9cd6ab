"""Right-to-left text: what is drawn, where it comes from, and that a growing text is drawn as a whole one.

Orders were worked out by hand from UAX #9. In them, as in the standard's own examples, capital letters stand for
Arabic ones: for their isolated forms, which have the direction of Arabic and no joined forms.
"""

from __future__ import annotations

import random
import subprocess
import sys
import unicodedata

import pytest
from rich.cells import cell_len

from slm_tui.text_direction import Layout, Line, lay_out

TO_ARABIC = {ord("A") + number: 0xFE8D + number for number in range(26)}
FROM_ARABIC = {code: chr(letter) for letter, code in TO_ARABIC.items()}

PIECES = [
    *("a", "bc", "z", " ", "  ", "س", "لا", "م", "ب", "ة", "א", "ـ", "ۀ", "\u06dd", "界"),
    *("\u064e", "\u0651", "\u0301", " \u064b", "\ufe0f", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f"),
    *("\u061c", "\u00ad", "\u00a0", "\u202b", "\u2067", "\u2069", "\x1b", "\x07", "\ud800", "\t"),
    *("1", "23", "٤", "۵", "(", ")", "[", "]", "{", "}", "«", "»", ".", ",", "،", "؟", ":", "-", "%", "$"),
    *("\n", "\r\n", "\r", "\u2028", "😀", "👩\u200d⚕\ufe0f", "👨\u200d👩\u200d👧", "🇫🇷", "👍🏽"),
]


def order(text: str, width: int = 80) -> list[str]:
    """The lines that are drawn, capitals for right-to-left letters; those to be aligned to the right begin with >."""
    lines = lay_out(text.translate(TO_ARABIC), width, app_orders=True)
    return [">" * line.rtl + line.text.translate(FROM_ARABIC) for line in lines]


def drawn(text: str, width: int = 80, app_orders: bool = True) -> list[str]:
    return [line.text for line in lay_out(text, width, app_orders=app_orders)]


def texts(seed: int, count: int = 300) -> list[list[str]]:
    """Texts of random pieces, as they might stream in."""
    chosen = random.Random(seed)
    return [[chosen.choice(PIECES) for _ in range(chosen.randint(0, 50))] for _ in range(count)]


@pytest.mark.parametrize(
    ("logical", "visual"),
    [
        ("abc def", "abc def"),
        ("ABC DEF", ">FED CBA"),
        ("ABC def GHI", ">IHG def CBA"),
        ("abc DEF ghi", "abc FED ghi"),
        ("abc DEF GHI jkl", "abc IHG FED jkl"),
        ("ABC.", ">.CBA"),
        ("abc DEF!", "abc FED!"),
        ("ABC: hello, world! DEF", ">FED !hello, world :CBA"),
        ("'ABC' def", ">def 'CBA'"),
        ("3 ABC", ">CBA 3"),
        ("... 3", "... 3"),
    ],
)
def test_each_paragraph_runs_as_its_first_strong_character_does(logical: str, visual: str) -> None:
    assert order(logical) == [visual]


@pytest.mark.parametrize(
    ("logical", "visual"),
    [
        ("ABC 123 DEF", ">FED 123 CBA"),
        ("ABC 12,345.6 DEF", ">FED 12,345.6 CBA"),
        ("ABC ١٢٣ DEF", ">FED ١٢٣ CBA"),
        ("abc DEF 123 ghi", "abc 123 FED ghi"),
        ("abc 123 DEF", "abc 123 FED"),
        ("ABC 2020-05-10 DEF", ">FED 10-05-2020 CBA"),  # digits after Arabic letters are Arabic: a hyphen parts them
        ("ABC abc 12.5% DEF", ">FED abc 12.5% CBA"),
        ("ABC 50% DEF", ">FED %50 CBA"),
        ("ABC ١٢/٣ DEF", ">FED ١٢/٣ CBA"),
    ],
)
def test_digits_keep_their_own_order(logical: str, visual: str) -> None:
    assert order(logical) == [visual]


@pytest.mark.parametrize(
    ("logical", "visual"),
    [
        ("ABC (DEF) GHI", ">IHG (FED) CBA"),
        ("ABC (def) GHI", ">IHG (def) CBA"),
        ("ABC def (ghi) JKL", ">LKJ def (ghi) CBA"),
        ("abc (DEF) ghi", "abc (FED) ghi"),
        ("abc (DEF [GHI]) jkl", "abc ([IHG] FED) jkl"),
        ("ABC «DEF»", ">«FED» CBA"),
        ("ABC {a [B] c} D", ">D {c [B] a} CBA"),
        ("ABC :)", ">(: CBA"),
        ("A<B", ">B>A"),
    ],
)
def test_brackets_are_mirrored_and_stay_with_what_they_hold(logical: str, visual: str) -> None:
    assert order(logical) == [visual]


def test_words_are_wrapped_in_the_order_of_reading() -> None:
    assert order("ABC DEF GHI", 7) == [">FED CBA", ">IHG"]
    assert order("ABC hello world DEF", 11) == [">hello CBA", ">FED world"]
    assert order("abc DEF GHI jkl", 7) == ["abc FED", "IHG jkl"]


def test_a_line_is_ordered_as_part_of_its_paragraph() -> None:
    # on its own, the second line would be ">kl (ij)": its bracket would follow nothing from left to right
    assert order("ABC def gh (ij) kl", 10) == [">def gh CBA", ">(ij) kl"]
    assert order("ABC 1 - 2", 5)[-1] == ">2 -"
    assert order("abc DEF (GHI jkl) m", 8) == ["abc FED", "(IHG", "jkl) m"]


def test_a_word_that_is_wider_than_a_line_is_broken() -> None:
    assert order("ab cdefghij k", 4) == ["ab", "cdef", "ghij", "k"]
    assert order("AB CDEFGHIJ K", 4) == [">BA", ">FEDC", ">JIHG", ">K"]
    assert drawn("界界界", 3) == ["界", "界", "界"]


def test_a_letter_that_no_line_can_hold_is_drawn_as_a_symbol() -> None:
    assert drawn("a界", 1) == ["a", "\ufffd"]


def test_a_width_of_nothing_is_taken_as_one_cell() -> None:
    assert drawn("abc", 0) == ["a", "b", "c"]


def test_paragraphs_end_at_any_line_break_and_may_be_empty() -> None:
    lines = lay_out("ab\n\nس\r\nc\u2029d\n", 9, app_orders=True)
    assert [(line.text, line.start, line.end) for line in lines] == [
        ("ab", 0, 3),
        ("", 3, 4),
        ("ﺱ", 4, 7),
        ("c", 7, 9),
        ("d", 9, 11),
        ("", 11, 11),
    ]
    assert drawn("") == [""]
    assert drawn(" \n  ") == ["", ""]


def test_an_indented_paragraph_stays_so_and_blanks_hang_where_lines_break() -> None:
    assert drawn("  ab    cd  ", 5) == ["  ab", "cd"]


@pytest.mark.parametrize(
    ("letters", "forms"),
    [
        ("بيت", "ﺖﻴﺑ"),
        ("دار", "ﺭﺍﺩ"),
        ("سلام", "ﻡﺎﻠﺳ"),  # lam and alef stay two letters, in two cells
        ("لا", "ﺎﻟ"),
        ("الله", "ﻪﻠﻟﺍ"),
        ("بـب", "ﺐـﺑ"),  # tatweel
        ("پچگ", "ﮓﭽﭘ"),  # Persian
        ("می\u200cروم", "ﻡﻭﺭﯽﻣ"),  # the non-joiner parts them, and is not drawn
        ("ه\u200d", "ﻫ"),  # the joiner gives the form before another letter
        ("ب\u2060ب", "ﺐﺑ"),  # what is not seen does not part them
        ("ب ب", "ﺏ ﺏ"),
        ("ب1ب", "ﺏ1ﺏ"),
    ],
)
def test_letters_take_the_forms_that_join_them(letters: str, forms: str) -> None:
    assert drawn(letters) == [forms]


def test_marks_stay_behind_their_letter() -> None:
    (line,) = lay_out("سَلَّمَ", 9, app_orders=True)
    assert line.text == "ﻢَﻠَّﺳَ"
    assert line.sources == (5, 6, 2, 3, 4, 0, 1) and line.cells == 3
    assert [unit for unit, _ in line.units()] == ["ﻢَ", "ﻠَّ", "ﺳَ"]
    assert drawn("سَلَّمَ", 1) == ["ﺳَ", "ﻠَّ", "ﻢَ"], "a break never parts them"


def test_a_mark_without_a_letter_is_seen() -> None:
    assert drawn("\u064e") == ["\u25cc\u064e"]
    assert drawn("ab \u064b cd", 4) == ["ab \u064b", "cd"], "nor is one lost with a blank at which a line ends"


def test_emoji_that_are_one_picture_stay_one() -> None:
    (line,) = lay_out("سر 👩\u200d⚕\ufe0f", 9, app_orders=True)
    assert line.text.startswith("👩\u200d⚕\ufe0f ") and cell_len(line.text) == line.cells


def test_nothing_in_a_text_is_obeyed() -> None:
    assert drawn("a\x1b[31mb\x07\x9b") == ["a\ufffd[31mb\ufffd\ufffd"]
    assert drawn("a\rb") == ["a\ufffdb"]
    assert drawn("a\ud800b") == ["a\ufffdb"], "half a character cannot be written to a terminal"
    assert drawn("a\u202eb\u2066c") == ["abc"], "nor can a text turn round what follows it"
    assert drawn("a\tb") == ["a b"]


def test_where_the_terminal_orders_text_it_is_only_wrapped_and_aligned() -> None:
    lines = lay_out("قال (Tom) ثم\u200c نام\nabc", 9, app_orders=False)
    assert [(line.text, line.rtl) for line in lines] == [("قال (Tom)", True), ("ثم\u200c نام", True), ("abc", False)]
    assert lines[1].sources == (10, 11, 12, 13, 14, 15, 16)


def test_every_character_is_drawn_once_and_every_line_fits() -> None:
    for pieces in texts(seed=1):
        text = "".join(pieces)
        for width in (2, 7, 30):
            for app_orders in (True, False):
                lines = lay_out(text, width, app_orders=app_orders)
                assert all(cell_len(line.text) == line.cells <= width for line in lines)
                assert all(len(line.text) == len(line.sources) for line in lines)
                assert_covered(text, lines)


def assert_covered(text: str, lines: list[Line]) -> None:
    """What can be seen is drawn, on the line that its place says, and on no other."""
    assert [line.start for line in lines[1:]] == [line.end for line in lines[:-1]]
    assert (lines[0].start, lines[-1].end) == (0, len(text))
    places = [place for line in lines for place in sorted(set(line.sources))]
    assert places == sorted(set(places)), "logical order comes back from the sources"
    assert all(line.start <= place < line.end for line in lines for place in line.sources)
    unseen = [text[place] for place in range(len(text)) if place not in set(places)]
    assert all(char.isspace() or unicodedata.category(char) == "Cf" for char in unseen)


def test_a_growing_text_is_drawn_as_a_whole_one() -> None:
    for number, pieces in enumerate(texts(seed=2)):
        width, app_orders = (1, 3, 8, 20)[number % 4], number % 5 > 0
        growing = Layout(width, app_orders=app_orders)
        for piece in pieces:
            before = list(growing.lines)
            first = growing.append(piece)
            assert growing.lines[:first] == before[:first], "lines that it calls unchanged are"
        assert growing.lines == lay_out("".join(pieces), width, app_orders=app_orders)


def test_half_a_line_break_is_not_drawn_before_the_other_half_may_come() -> None:
    growing = Layout(2, app_orders=True)
    for piece in ("س%", "\t", "\u200f", "\r", "\n", "a"):
        growing.append(piece)
        assert "\ufffd" not in "".join(line.text for line in growing.lines)
    assert growing.lines == lay_out("س%\t\u200f\r\na", 2, app_orders=True)


def test_a_long_word_that_grows_keeps_its_joined_forms() -> None:
    growing = Layout(3, app_orders=True)
    for char in "سَلَّمَهُمُسَلَّمَهُمُ" * 2:
        growing.append(char)
    assert growing.lines == lay_out(growing.text, 3, app_orders=True)


def test_a_bracket_that_is_closed_late_changes_the_lines_since_it_was_opened() -> None:
    growing = Layout(8, app_orders=True)
    text = "abc DEF (GHI jkl MNO pqr STU) vw"
    for char in text.translate(TO_ARABIC):
        growing.append(char)
    assert [line.text.translate(FROM_ARABIC) for line in growing.lines] == order(text, 8)


def test_appending_lays_out_the_last_lines_only() -> None:
    story = "قال الولد للبنت إن صديقتنا ليلى ذهبت إلى السوق. " * 40
    growing = Layout(40, app_orders=True, text=story)
    untouched = growing.lines[:-4]
    assert len(growing.lines) > 40
    assert growing.append("كلمة") >= len(untouched)
    assert all(now is before for now, before in zip(growing.lines, untouched, strict=False))


def test_the_line_of_a_place_is_found() -> None:
    layout = Layout(7, app_orders=True, text="ABC DEF GHI\n\nxyz".translate(TO_ARABIC))
    assert [layout.line_of(place) for place in (0, 6, 7, 8, 11, 12, 13, 99)] == [0, 0, 0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize(("text", "loaded"), [("Once upon a time — «naïve» 界 😀", False), ("كان", True)])
def test_libraries_are_loaded_for_right_to_left_text_only(text: str, loaded: bool) -> None:
    script = (
        "import sys; from slm_tui.text_direction import lay_out; lay_out(sys.argv[1], 9, app_orders=True);"
        "lay_out(sys.argv[1], 9, app_orders=False); print('arabic_reshaper' in sys.modules or 'bidi' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", script, text], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str(loaded)
