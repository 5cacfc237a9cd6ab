"""The page of a report: what it says, and that it neither loads nor runs anything."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from engine.contract.events import Checkpoint, Eval, Event, RunEnded, RunStarted, Sample, Step
from engine.runs.run import Run
from slm_tui.charts.overlay import ChartOptions
from slm_tui.report.page import page

Made = Callable[..., Run]
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Every element with its attributes and the text directly in it; fails where elements do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, dict(attrs), [])
        assert len(dict(attrs)) == len(attrs)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] != "style":
            self.text += data
        for element in self._open:
            element[2].append(data)

    def all(self, tag: str, cls: str | None = None) -> list[tuple[dict[str, str | None], str]]:
        return [
            (attributes, "".join(texts))
            for name, attributes, texts in self.elements
            if name == tag and (cls is None or cls in (attributes.get("class") or "").split())
        ]


def parsed(*runs: Run, smoothing: float = 0.9) -> Page:
    return Page(page(runs, ChartOptions(smoothing=smoothing)))


def test_a_story_with_a_script_in_it_is_shown(told_run: Made, hostile: str) -> None:
    found = parsed(told_run())
    assert [attributes for attributes, _ in found.all("script") + found.all("img")] == []
    assert f"Once {hostile}" in [text for _, text in found.all("div", "story")]
    assert f"out of memory: {hostile}" in [text for _, text in found.all("p", "error")]
    assert {"small <b>data</b> & few", "as small as <i>it</i> gets"} <= {text for _, text in found.all("p")}
    assert [name for name, _, _ in found.elements if name in ("b", "i")] == []


def test_right_to_left_text_stays_in_the_order_of_reading(told_run: Made, arabic: str) -> None:
    found = parsed(told_run())
    (shown,) = [attributes for attributes, text in found.all("div", "story") if text == arabic]
    assert shown["dir"] == "auto"
    notes = next(attributes for attributes, text in found.all("p") if text.startswith("ملاحظة"))
    assert notes["dir"] == "auto"
    assert all(attributes.get("dir") == "auto" for attributes, _ in found.all("div", "story"))


def test_the_page_loads_nothing(told_run: Made) -> None:
    runs = told_run(), told_run(1.5)
    found, html = parsed(*runs), page(runs, ChartOptions())
    for name, attributes, _ in found.elements:
        assert name not in ("script", "link", "iframe", "object", "embed", "img", "base", "form", "use", "image")
        for key, value in attributes.items():
            assert not key.startswith("on") and key not in ("src", "href", "style", "srcset", "xlink:href"), (name, key)
            assert "url(" not in (value or "") or (value or "").startswith("url(#")
    style = found.all("style")[0][1]
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"https?://(?!www\.w3\.org)", html)


def test_its_policy_allows_its_own_style_sheet_and_no_more(told_run: Made) -> None:
    found = parsed(told_run())
    (style,) = (text for _, text in found.all("style"))
    policy = next(each["content"] for each, _ in found.all("meta") if "http-equiv" in each)
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"


def test_it_tells_the_figures_the_configuration_the_data_and_the_machine(told_run: Made) -> None:
    run = told_run()
    found = parsed(run)
    tiles = dict(zip((text for _, text in found.all("dt")), (text for _, text in found.all("dd")), strict=True))
    assert (tiles["val loss"], tiles["perplexity"], tiles["bits/byte"]) == ("2.042", "7.70", "0.700")
    assert (tiles["best at step"], tiles["tokens"]) == ("24", "3.1K")
    assert "failed" in [text for _, text in found.all("span", "state")]
    for said in (run.id, "learning_rate = 0.003", "n_embd = 32", "9,216", "workstation", "cuda:0", "8694cba", "2.13.0"):
        assert said in found.text, said
    assert "paper" in found.text and "secret" not in found.text
    assert [text for _, text in found.all("h2")] == [
        "Curves",
        "Stories along the way",
        "Evaluations",
        "Data and model",
        "Configuration",
        "Machine and versions",
    ]


def test_the_curves_are_drawn_for_wide_and_for_narrow_windows(told_run: Made) -> None:
    found = parsed(told_run())
    labels = [attributes["aria-label"] for attributes, _ in found.all("svg", "chart")]
    assert labels == ["loss by steps", "loss by steps", "perplexity by steps", "perplexity by steps"]
    ids = [attributes["id"] for attributes, _ in found.all("clippath")]
    assert len(set(ids)) == len(ids) == 4
    assert "validation, step 24: 2.042" in [text for _, text in found.all("title")]
    for attributes, _ in found.all("path"):
        assert re.fullmatch(r"[MLHVhv\d .-]+", attributes["d"] or ""), attributes["d"]


def test_several_runs_stand_side_by_side_with_what_differs(told_run: Made) -> None:
    first, second = told_run(), told_run(1.5, rate="1e-3")
    found = parsed(first, second)
    assert found.all("h1")[0][1] == "2 runs compared"
    rows = [text for _, text in found.all("tr")]
    assert "val loss2.042* 1.542" in rows
    assert "train.learning_rate0.0030.001" in rows
    assert "* 1.542" in [text for _, text in found.all("td", "best")]
    assert [text for _, text in found.all("li")][:2] == [f" a {first}", f" b {second}"]
    assert "learning_rate = 0.003" in [text for _, text in found.all("strong")]
    headings = [text for _, text in found.all("h2")]
    assert headings[:3] == ["Results", "Curves", "What differs"]


def test_stories_of_earlier_steps_are_folded(told_run: Made) -> None:
    found = parsed(told_run())
    assert "Stories at 1 earlier step" in [text for _, text in found.all("summary")]
    assert "Once, early" in next(text for _, text in found.all("details"))


def test_a_run_that_cannot_say_much_still_has_a_page(new_run: Made) -> None:
    run = new_run()
    run.experiment_file.write_text("damaged = ")
    found = parsed(run)
    assert "The run's experiment.toml cannot be read." in found.text
    assert "It has no step." in found.text and not found.all("figure")
    assert "Machine and versions" not in found.text


def test_of_an_imported_run_nothing_is_told_that_never_was(new_run: Made, told_run: Made) -> None:
    imported = new_run(
        [RunStarted(1, "here"), Checkpoint(kind="best", step=100, path="checkpoints/best"), RunEnded("finished")]
    )
    found = parsed(imported)
    assert "trained elsewhere" in found.text and "tokens in all" not in found.text and "evaluations" not in found.text
    assert not found.all("figure") and [text for _, text in found.all("dt")] == ["params"]
    assert [text for _, text in found.all("th")] == ["tokenizer", "parameters"]
    assert [text for _, text in found.all("h3")] == ["[tokenizer]", "[model]", "[hardware]", "[sampling]"]
    together = parsed(imported, told_run())
    assert len(together.all("figure")) == 2 and "trained elsewhere" in together.text
    assert "no step yet" not in together.text and "none yet" not in together.text


def test_a_long_run_has_a_page_of_a_bearable_size(new_run: Made) -> None:
    events: list[Event] = []
    for n in range(1, 20_001):
        events.append(Step(step=n, loss=3 + n % 7, lr=1e-3, grad_norm=1.0, tokens=128 * n, t=1000.0 + n))
        if n % 50 == 0:
            events.append(Eval(step=n, train_loss=3, val_loss=3, bits_per_byte=1, best=False, t=1000.0 + n))
            events.append(Sample(step=n, prompt="O", text="O" + "nce " * 5000, t=1000.0 + n))
    html = page([new_run(events)], ChartOptions(smoothing=0.9))
    assert len(html) < 1_500_000
    found = Page(html)
    assert "Stories at 24 earlier steps; those of 375 other steps are left out" in found.text
    assert "400 evaluations, 50 of them shown" in found.text


@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_the_same_runs_make_the_same_page_but_for_its_date(told_run: Made, smoothing: float) -> None:
    run = told_run()
    one, other = (re.sub(r"on \d{4}-[\d: -]+UTC", "", page([run], ChartOptions(smoothing=smoothing))) for _ in range(2))
    assert one == other
