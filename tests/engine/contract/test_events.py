"""The events file: whole lines in, known events out, whatever happened to it in between."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from event_lines import ONE_OF_EACH, mixed, read_all, step, steps, write_steps

from engine.contract.events import (
    AnyEvent,
    Event,
    EventReader,
    EventWriter,
    Resumed,
    RunEnded,
    Sample,
    Step,
    Warning,
    decode,
    encode,
    seconds_between,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def written(path: Path, *events: Event) -> None:
    writer = EventWriter(path)
    for event in events:
        writer(event)
    writer.close()


def test_every_event_comes_back_as_written(path: Path) -> None:
    assert {type(event) for event in ONE_OF_EACH} == set(get_args(AnyEvent)), "one of each"
    written(path, *ONE_OF_EACH)
    assert read_all(path) == ONE_OF_EACH
    assert path.read_bytes().count(b"\n") == len(ONE_OF_EACH)


def test_a_writer_with_a_clock_notes_it_in_each_event(path: Path) -> None:
    ticks = iter((7.0, 8.5))
    writer = EventWriter(path, lambda: next(ticks))
    writer(Resumed(1, t=100.0))
    writer(Warning("w", t=101.0))
    writer.close()
    assert [(event.t, event.clock) for event in read_all(path)] == [(100.0, 7.0), (101.0, 8.5)]


@pytest.mark.parametrize(
    ("earlier", "later", "seconds"),
    [
        pytest.param((100.0, 7.0), (103.0, 10.0), 3.0, id="both clocks"),
        pytest.param((100.0, 7.0), (40.0, 10.0), 3.0, id="the time of day was set back"),
        pytest.param((100.0, 7.0), (9_000.0, 10.0), 3.0, id="the time of day was set forward"),
        pytest.param((100.0, None), (103.0, None), 3.0, id="as version 0.1.0 wrote them"),
        pytest.param((100.0, 7.0), (103.0, None), 3.0, id="one clock is none"),
        pytest.param((100.0, None), (40.0, None), 0.0, id="never below 0"),
    ],
)
def test_seconds_between_two_events_do_not_follow_a_clock_that_was_set(
    earlier: tuple[float, float | None], later: tuple[float, float | None], seconds: float
) -> None:
    first, second = (Resumed(1, t=t, clock=clock) for t, clock in (earlier, later))
    assert seconds_between(first, second) == seconds


def test_an_event_without_a_clock_gets_none_as_it_is_read() -> None:
    event = decode(b'{"event":"resumed","step":7,"t":1.0}')
    assert event is not None and event.clock is None


def test_lines_are_the_promised_json(path: Path) -> None:
    before = time.time()
    line = json.loads(encode(RunEnded("failed", error="e")))
    assert before <= line.pop("t") <= time.time()
    assert line == {"event": "run_ended", "reason": "failed", "error": "e", "clock": None}
    names = [json.loads(encode(event))["event"] for event in ONE_OF_EACH]
    assert names == [re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower() for event in ONE_OF_EACH]


def test_what_is_unknown_is_skipped() -> None:
    assert decode(b'{"event":"of_the_future","t":1.0,"x":1}') is None
    assert decode(b'{"event":"resumed","t":1.0,"step":7,"later":{"a":[1]}}') == Resumed(7, t=1.0)
    assert decode(b'{"event":"resumed","t":1.0,"step":"seven"}') is None
    for garbage in (b"", b"null", b"[]", b"\xff\xfe", b"\0" * 100, b'{"event":"resumed","t":1.0,"st', b"{}"):
        assert decode(garbage) is None


def test_events_around_garbage_are_read(path: Path) -> None:
    path.write_bytes(encode(step(1)) + b"\xff garbage \0\n\n" + encode(step(2)) + b'{"event":"new"}\n')
    written(path, step(3))
    assert steps(read_all(path)) == [1, 2, 3]


WRITER = """
import sys
from pathlib import Path
from engine.contract.events import EventWriter, Sample
write = EventWriter(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    write(Sample(number, sys.argv[2], "x" * (number * 7 % 5000)))
"""


def test_lines_of_several_writers_stay_whole_under_a_reader(path: Path) -> None:
    count, names = 1500, ["a", "b"]
    path.touch()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    reader, found, restarted = EventReader(path), [], False
    while True:
        ended = all(process.poll() is not None for process in processes)  # before the read, so that it is the last
        found += reader.read()
        restarted |= reader.restarted
        if ended:
            break
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert not restarted
    assert path.read_bytes().count(b"\n") == count * len(names)
    for name in names:
        own = [event for event in found if isinstance(event, Sample) and event.prompt == name]
        assert [(event.step, len(event.text)) for event in own] == [(n, n * 7 % 5000) for n in range(count)]


def test_a_line_is_one_write(path: Path) -> None:
    """A datagram socket keeps the borders between writes."""
    import socket

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        writer = EventWriter(path)
        os.dup2(theirs.fileno(), writer._fd)
        for event in ONE_OF_EACH:
            writer(event)
        writer.close()
        for event in ONE_OF_EACH:
            assert ours.recv(1 << 16) == encode(event)


def test_a_torn_last_line_is_left_until_it_is_whole(path: Path) -> None:
    first, line = encode(step(1)), encode(step(2))
    reader = EventReader(path)
    assert reader.read() == [], "no file yet"
    path.write_bytes(first)
    assert steps(reader.read()) == [1]
    for end in range(1, len(line)):
        path.write_bytes(first + line[:end])
        assert reader.read() == []
    with open(path, "ab") as file:
        file.write(line[-1:])
    assert steps(reader.read()) == [2]
    assert reader.read() == []


def test_a_file_that_shrank_is_read_again(path: Path) -> None:
    written(path, step(1), step(2), step(3))
    reader = EventReader(path)
    assert (steps(reader.read()), reader.restarted) == ([1, 2, 3], False)
    os.truncate(path, 0)
    written(path, step(7))
    assert (steps(reader.read()), reader.restarted) == ([7], True)
    written(path, step(8))
    assert (steps(reader.read()), reader.restarted) == ([8], False), "said for that read only"


def test_a_file_that_was_replaced_is_read_again_even_where_it_is_longer(path: Path) -> None:
    written(path, step(1))
    reader = EventReader(path)
    reader.read()
    other = path.with_name("other")
    written(other, step(4), step(5), step(6))
    other.replace(path)
    assert steps(reader.read()) == [4, 5, 6]
    assert reader.restarted
    path.unlink()
    assert reader.read() == []
    assert not reader.restarted


def test_a_line_longer_than_a_chunk_is_read_when_it_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventReader, "CHUNK", 1000)
    long = encode(Sample(1, "", "x" * 5000))
    path.write_bytes(encode(step(1)) + long[:-1])
    reader = EventReader(path)
    assert steps(reader.read()) == [1]
    assert reader.read() == []
    with open(path, "ab") as file:
        file.write(b"\n" + encode(step(2)))
    assert [type(event) for event in reader.read()] == [Sample]
    assert steps(reader.read()) == [2]


@pytest.mark.parametrize("chunk", [150, 151, 199, 1000])
def test_chunks_lose_nothing_wherever_they_end(path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(EventReader, "CHUNK", chunk)
    written(path, *(step(number) for number in range(200)))
    assert steps(read_all(path)) == list(range(200))


def test_a_writer_after_a_torn_line_begins_a_new_one(path: Path) -> None:
    path.write_bytes(encode(step(1)) + encode(step(2))[:30])
    written(path, step(3), step(4))
    assert steps(read_all(path)) == [1, 3, 4]
    written(path, step(5))
    assert b"\n\n" not in path.read_bytes(), "a whole last line needs no new one"


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    full = tmp_path / "metrics.jsonl"
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    full.symlink_to("/dev/full")
    writer = EventWriter(full)
    with pytest.raises(OSError) as caught:
        writer(step(1))
    assert caught.value.errno == errno.ENOSPC
    writer.close()


CUT_SHORT = """
import resource, sys
from pathlib import Path
from engine.contract.events import EventWriter, RunEnded, Step
path = Path(sys.argv[1])
write = EventWriter(path)
write(Step(1, 1.0, 1.0, 1.0, 1))
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, resource.RLIM_INFINITY))
try:
    write(Step(2, 1.0, 1.0, 1.0, 1))
    sys.exit("nothing was refused")
except OSError as error:
    print(error.errno)
assert path.read_bytes().count(b"\\n") == 1 and not path.read_bytes().endswith(b"\\n"), "half of it is there"
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(RunEnded("failed"))
"""


def test_the_line_after_one_that_a_full_disk_cut_short_is_read(path: Path) -> None:
    cut = subprocess.run([sys.executable, "-c", CUT_SHORT, str(path)], capture_output=True, text=True, check=False)
    assert (cut.stdout, cut.stderr, cut.returncode) == (f"{errno.EFBIG}\n", "", 0)
    assert [type(event) for event in read_all(path)] == [Step, RunEnded]


def test_a_huge_file_is_read_whole_and_not_all_at_once(path: Path) -> None:
    count = write_steps(path, 3 * EventReader.CHUNK)
    reader, seen = EventReader(path), []
    while events := reader.read():
        assert len(events) < count / 2, "a read of a huge file comes back in between"
        seen += steps(events)
    assert seen == list(range(count))


def test_threads_may_share_a_writer(path: Path) -> None:
    writer = EventWriter(path)

    def write() -> None:
        for number in range(500):
            writer(Warning("w" * (number % 900)))

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert len(read_all(path)) == 1500


def test_numbers_that_are_none_are_written_as_null() -> None:
    assert msgspec.json.decode(encode(Step(1, None, 1.0, None, 1)))["loss"] is None


def test_a_read_takes_no_more_than_its_limit(path: Path) -> None:
    path.write_bytes(mixed(35))
    reader, events = EventReader(path), []
    while new := reader.read(400):
        assert len(new) < 10
        events.extend(new)
    assert events == read_all(path)
