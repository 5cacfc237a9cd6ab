"""HTML from texts that nobody trusts."""

from __future__ import annotations

from slm_tui.report.markup import Markup, joined, tag


def test_text_is_escaped_once_and_markup_is_kept() -> None:
    assert tag("p", "<b> & </b>", tag("i", "<")) == "<p>&lt;b&gt; &amp; &lt;/b&gt;<i>&lt;</i></p>"
    assert joined(["<", [Markup("<br/>"), "'"]]) == "&lt;<br/>&#x27;"


def test_an_attribute_cannot_be_left() -> None:
    assert tag("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'


def test_attributes_have_their_own_names_and_none_is_left_out() -> None:
    assert tag("path", cls="line", clip_path="url(#a)", d=None) == '<path class="line" clip-path="url(#a)"/>'


def test_control_characters_are_not_passed_on() -> None:
    assert tag("p", "a\x1b[2J\u202eb\nc") == "<p>a\ufffd[2J\ufffdb\nc</p>"
