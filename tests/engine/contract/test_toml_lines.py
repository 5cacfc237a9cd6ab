"""Where keys stand."""

from __future__ import annotations

import tomli

from engine.contract.toml_lines import KeyPath, given_twice, key_lines


def lines(text: str) -> dict[KeyPath, int]:
    tomli.loads(text)  # positions are promised for valid texts only
    return key_lines(text)


def test_headers_and_keys_have_lines_from_one() -> None:
    assert lines("a = 1\n\n[t]\n# [no]\n  b = 2 # c = 3\n[t.u]\nc = 4") == {
        ("a",): 1,
        ("t",): 3,
        ("t", "b"): 5,
        ("t", "u"): 6,
        ("t", "u", "c"): 7,
    }


def test_a_dotted_key_stands_for_its_parents_too() -> None:
    found = lines("[t]\na . b.c = 1\na.d = 2\n")
    assert found == {("t",): 1, ("t", "a"): 2, ("t", "a", "b"): 2, ("t", "a", "b", "c"): 2, ("t", "a", "d"): 3}


def test_a_table_without_a_header_stands_where_it_is_opened_first() -> None:
    assert lines("[t.u]\na = 1\n[t.v]\n")[("t",)] == 1
    assert lines("[t.u]\na = 1\n[t]\nb = 2\n")[("t",)] == 3, "its own header comes first"


def test_quoted_keys_are_one_key_whatever_is_in_them() -> None:
    assert lines('"a.b" = 1\n\'c = d\' = 2\n["e.f".g]\nh = 3\n') == {
        ("a.b",): 1,
        ("c = d",): 2,
        ("e.f",): 3,
        ("e.f", "g"): 3,
        ("e.f", "g", "h"): 4,
    }


def test_nothing_inside_a_value_is_taken_for_a_key() -> None:
    text = (
        'a = """\n[x]\nb = 1\n\\""" c = 2\n"""\n'  # ends in line 5
        "d = '''\ne = \\'''\n"
        "f = [\n  1, # ]\n  [2],\n  ']',\n]\n"
        'g = {h = "}", i = [1]}\n'
        'j = "\\"#" # k = 1\n'
        'l = """"\nm = ""\n"""\n'  # opens with a quote inside
        'n = """o"""""\n'  # closes with two quotes inside
        "p = 1\n"
    )
    assert lines(text) == {
        ("a",): 1,
        ("d",): 6,
        ("f",): 8,
        ("g",): 13,
        ("j",): 14,
        ("l",): 15,
        ("n",): 18,
        ("p",): 19,
    }


def test_line_ends_of_windows_count_once() -> None:
    assert lines("a = 1\r\n\r\n[t]\r\nb = [\r\n1,\r\n]\r\nc = 2\r\n") == {
        ("a",): 1,
        ("t",): 3,
        ("t", "b"): 4,
        ("t", "c"): 7,
    }


def test_the_first_of_an_array_of_tables_counts() -> None:
    assert lines("[[t]]\na = 1\n[[t]]\na = 2\n") == {("t",): 1, ("t", "a"): 2}


def test_an_empty_text_has_none() -> None:
    assert lines("") == lines("\n\n") == lines("# only this") == {}


def test_what_is_given_twice_is_found_with_both_lines() -> None:
    assert given_twice('[t]\na = """\na = 1\n"""\n[u]\na = 1\n\na = 2') == (("u", "a"), 6, 8)
    assert given_twice("[[t]]\na = 1\n[t.u]\nb = 1\n[[t]]\na = 1\n[t.u]\nb = 1\n[v.w]\n[v]") is None
