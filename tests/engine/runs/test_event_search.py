"""What is found in an events file is what reading all of it would give, wherever the file or a window of it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from event_lines import ONE_OF_EACH, mixed, read_all, step, steps, write_steps

from engine.contract.events import (
    AnyEvent,
    Prepare,
    Queued,
    RunEnded,
    RunStarted,
    Sample,
    Step,
    System,
    decode_lines,
    encode,
)
from engine.runs import event_search
from engine.runs.event_search import glance, last_events, last_of, samples_in


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def rare_and_last_step(events: list[AnyEvent]) -> list[AnyEvent]:
    """What `glance` promises, from all events: the first, the rare ones, and the last step."""
    last = max((index for index, event in enumerate(events) if isinstance(event, Step)), default=None)
    return [
        event
        for index, event in enumerate(events)
        if index in (0, last) or not isinstance(event, Step | System | Sample | Prepare)
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n", id="blank"),
        pytest.param(b"not json\n", id="garbage"),
        pytest.param(encode(step(1)), id="one step"),
        pytest.param(encode(RunStarted(1, "h")), id="one rare"),
        pytest.param(encode(step(1))[:-1], id="one torn step"),
        pytest.param(encode(RunStarted(1, "h"))[:-1], id="one torn rare"),
        pytest.param(encode(RunStarted(1, "h")) + encode(step(1))[:-1], id="torn step after rare"),
        pytest.param(encode(RunStarted(1, "h")) + encode(RunEnded("failed"))[:-1], id="torn end"),
        pytest.param(encode(step(1)) + encode(step(2)) + encode(RunEnded("failed"))[:40], id="half an end"),
        pytest.param(b"".join(map(encode, ONE_OF_EACH)), id="one of each"),
        pytest.param(mixed(100), id="many"),
        pytest.param(mixed(35) + encode(step(99))[:-1], id="many, torn step"),
        pytest.param(mixed(35) + b'{"event":"step' + b"\n" + encode(RunStarted(2, "h")), id="a torn line inside"),
    ],
)
def test_a_glance_sees_what_a_full_read_sees(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert glance(path)[0] == rare_and_last_step(read_all(path))


@pytest.mark.parametrize("window", [1, 7, 64, 1000])
def test_what_is_searched_in_pieces_is_found_wherever_they_end(
    path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr("engine.runs.event_search._WINDOW", window)
    path.write_bytes(mixed(35) + encode(step(99))[:-1])
    everything, end = read_all(path), path.stat().st_size
    assert glance(path)[0] == rare_and_last_step(everything)
    assert samples_in(path, end) == [event for event in everything if isinstance(event, Sample)]
    assert last_of(path, Queued, end) == next(event for event in everything[::-1] if isinstance(event, Queued))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(encode(step(1)), None, id="none"),
        pytest.param(encode(System(memory_bytes=1)), 1, id="the first line"),
        pytest.param(encode(System(memory_bytes=1)) + encode(step(2)) * 500, 1, id="long ago"),
        pytest.param(b"\n" + encode(System(memory_bytes=1)) + encode(System(memory_bytes=2)), 2, id="two"),
        pytest.param(encode(System(memory_bytes=1)) + encode(System(memory_bytes=2))[:-1], 1, id="torn end"),
        pytest.param(encode(System(memory_bytes=1)) + b'{"event":"system","t":[]}\n{}\n', 1, id="then damage"),
    ],
)
def test_the_last_of_a_kind_is_found_however_long_ago_it_was(path: Path, content: bytes, wanted: int | None) -> None:
    path.write_bytes(content)
    found = last_of(path, System, len(content))
    assert (found and found.memory_bytes) == wanted
    assert last_of(path, System, 0) is None


def test_a_missing_file_has_no_last_event(path: Path) -> None:
    assert last_of(path, System, 100) is None


def test_a_glance_at_no_file_sees_nothing(path: Path) -> None:
    assert glance(path) == ([], 0)


def test_a_glance_goes_on_where_the_last_one_ended(path: Path) -> None:
    path.write_bytes(mixed(35))
    first, end = glance(path)
    with open(path, "ab") as file:
        file.write(encode(step(90)) + encode(RunEnded("stopped")) + encode(step(91)) + encode(step(92))[:-1])
    more, end = glance(path, end)
    assert [type(event) for event in more] == [RunEnded, Step] and steps(more) == [91]
    assert glance(path, end) == ([], end)
    assert rare_and_last_step(read_all(path)) == [e for e in first if not isinstance(e, Step) or e is first[0]] + more


def test_samples_are_found_without_reading_steps(path: Path) -> None:
    path.write_bytes(mixed(35) + encode(Sample(3, "p", "t"))[:-1])
    wanted = [event for event in read_all(path) if isinstance(event, Sample)]
    assert wanted and samples_in(path, path.stat().st_size) == wanted
    assert samples_in(path, 10) == []


def test_the_last_events_are_those_at_the_end_or_before_a_place(path: Path) -> None:
    count = write_steps(path, 100_000)
    last = steps(last_events(path))
    assert 80 < len(last) < count / 2 and last == list(range(last[0], count))
    assert steps(last_events(path, len(encode(step(0))) * 3)) == [0, 1, 2]
    assert last_events(path.with_name("none")) == []


def test_a_glance_decodes_no_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = write_steps(path, 3_000_000)
    decoded: list[bytes] = []

    def counting(lines: bytes) -> list[AnyEvent]:
        decoded.append(lines)
        return decode_lines(lines)

    monkeypatch.setattr(event_search, "decode_lines", counting)
    assert steps(glance(path)[0]) == [0, count - 1], "the file's first line is one, whatever it is"
    assert len(b"".join(decoded).split()) == 2
