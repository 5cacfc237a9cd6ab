"""Runs side by side: what compares, which is best, and the keys in which they differ."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence

import msgspec
import pytest
import tomli

from engine.contract.events import Eval, Event, Prepared, RunEnded, RunStarted, Step
from engine.contract.experiment import Experiment
from engine.contract.overrides import apply_overrides
from engine.runs.run import Run
from slm_tui.compare import Comparison, compare, csv_rows, difference_columns, differences, result_columns, short_names

Made = Callable[..., Run]
HUB = ["data.source=hub", "data.dataset=a/b", "tokenizer.kind=gpt2"]


def events(loss: float | None = 3.0, data: str = "tiny-aaaa", rate: float = 500.0, bits: float = 1.5) -> list[Event]:
    """A finished run's; evaluated twice, unless `loss` is None."""
    evaluations = [] if loss is None else [(8, loss, bits), (16, loss + 1, bits + 1)]
    return [
        RunStarted(pid=1, host="here", t=1000.0),
        Prepared(directory=f"data/{data}", vocab_size=390, train_tokens=9216, val_tokens=900, cached=False, t=1001.0),
        Step(step=24, loss=2.9, lr=0.0, grad_norm=1.0, tokens=3072, tokens_per_second=rate, t=1004.0),
        *(
            Eval(step=step, train_loss=3.0, val_loss=loss, bits_per_byte=bits, best=False, t=1005.0)
            for step, loss, bits in evaluations
        ),
        RunEnded(reason="finished", t=1006.0),
    ]


@pytest.fixture
def made(new_run: Callable[..., Run], tiny: str) -> Made:
    """Makes a run of these events with these overrides."""

    def make(said: Sequence[Event], *overrides: str) -> Run:
        run = new_run(said)
        text = tiny.replace("vocab_size = 400", "") if "tokenizer.kind=gpt2" in overrides else tiny
        run.experiment_file.write_text(apply_overrides(text, overrides), encoding="utf-8")
        assert run.experiment()
        return run

    return make


def test_the_best_of_each_figure_is_told(made: Made) -> None:
    worse, better = made(events(3.0, rate=900.0)), made(events(2.0, bits=1.0))
    comparison = compare([worse, better])
    assert [facts.run for facts in comparison.runs] == [str(worse), str(better)]
    assert comparison.best == {
        "val_loss": [str(better)],
        "perplexity": [str(better)],
        "bits_per_byte": [str(better)],
        "tokens_per_second": [str(worse)],
    }
    assert comparison.remarks == ["The runs differ in no key."]


def test_equal_runs_share_the_best_and_have_none_if_all_are_equal(made: Made) -> None:
    first, second, third = made(events(2.0)), made(events(2.0)), made(events(3.0))
    assert compare([first, second, third]).best["val_loss"] == [str(first), str(second)]
    assert compare([first, second]).best == {}


def test_one_run_alone_has_nothing_to_beat_and_nothing_to_differ_from(made: Made) -> None:
    run = made(events())
    comparison = compare([run, run])
    assert [facts.run for facts in comparison.runs] == [str(run)]
    assert (comparison.best, comparison.differences, comparison.remarks) == ({}, [], [])


def compared_in(comparison: Comparison) -> set[str]:
    return set(comparison.best) - {"tokens_per_second"}


def test_other_tokenizers_compare_in_bits_per_byte_only(made: Made) -> None:
    hub = [*HUB, "train.min_learning_rate=0"]
    trained = made(events(3.0, "tiny-aaaa"), "data.source=hub", "data.dataset=a/b")
    gpt2 = made(events(2.0, "tiny-bbbb", bits=1.0), *hub)
    comparison = compare([trained, gpt2])
    assert compared_in(comparison) == {"bits_per_byte"}
    assert comparison.remarks == ["The tokenizers differ: loss and perplexity do not compare, bits per byte do."]


def test_other_validation_data_compare_in_nothing(made: Made) -> None:
    comparison = compare([made(events(3.0, "tiny-aaaa")), made(events(2.0, "tiny-bbbb"), "data.stories=100")])
    assert compared_in(comparison) == set()
    assert comparison.remarks == ["The validation data differ: loss, perplexity and bits per byte do not compare."]


def with_tokenizer(run: Run, kind: str, words: str, *, in_data: bool = False) -> Run:
    """`run` with a tokenizer in its best checkpoint, or in its prepared data alone."""
    data = run.workspace_folder / run.status().data.directory  # type: ignore[union-attr]
    folder = (data if in_data else run.checkpoints / "best") / "tokenizer"
    folder.mkdir(parents=True)
    (folder / "tokenizer_config.json").write_text(json.dumps({"kind": kind}), encoding="utf-8")
    (folder / "vocabulary").write_text(words, encoding="utf-8")
    return run


def test_runs_that_start_from_weights_are_compared_by_the_tokenizer_of_those(made: Made) -> None:
    scratch = with_tokenizer(made(events(3.0, "a-aaaa"), *HUB), "gpt2", "G")
    tuned = with_tokenizer(
        made(events(2.0, "a-bbbb", bits=1.0), *HUB, "train.init_from=base"), "byte_bpe", "B", in_data=True
    )
    comparison = compare([scratch, tuned])  # the same [tokenizer] in both files
    assert compared_in(comparison) == {"bits_per_byte"}
    assert comparison.remarks == ["The tokenizers differ: loss and perplexity do not compare, bits per byte do."]
    assert [facts.tokenizer for facts in comparison.runs] == ["gpt2 50,257", "byte_bpe 390"]

    base = with_tokenizer(
        made(events(3.0, "a-cccc", bits=3.0), "data.source=hub", "data.dataset=a/b", "data.train_split=half"),
        "byte_bpe",
        "B",
    )
    assert compared_in(compare([base, tuned])) == {"val_loss", "perplexity", "bits_per_byte"}
    assert compared_in(compare([base, scratch])) == {"bits_per_byte"}


def test_data_that_changed_under_trained_tokenizers_do_not_compare(made: Made) -> None:
    before = with_tokenizer(made(events(3.0, "tiny-aaaa")), "byte_bpe", "A")
    after = with_tokenizer(made(events(2.0, "tiny-bbbb")), "byte_bpe", "B")
    comparison = compare([before, after])
    assert compared_in(comparison) == set()
    assert comparison.remarks[0].startswith("The data have changed between the runs: ")


def test_a_tokenizer_that_is_not_to_be_found_is_named_after_the_weights_that_bring_it(made: Made) -> None:
    runs = [
        made(events(), *HUB, f"train.init_from={name}")
        for name in ("base", "tiny/20261121T000000-7f3a", "huggingface:a/gpt", "old/ckpt.pt")
    ]
    assert [facts.tokenizer for facts in compare(runs).runs] == [
        "that of base",
        "that of 20261121T000000-7f3a",
        "that of gpt",
        "gpt2 50,257",
    ]


def test_another_training_split_leaves_the_validation_data_and_a_fixed_tokenizer_as_they_are(made: Made) -> None:
    whole, part = (
        made(events(3.0, "a-aaaa"), *HUB),
        made(events(2.0, "a-bbbb", bits=1.0), *HUB, "data.train_split=half"),
    )
    assert compared_in(compare([whole, part])) == {"val_loss", "perplexity", "bits_per_byte"}


def test_a_tokenizer_trained_on_another_split_is_another_one(made: Made) -> None:
    hub = ["data.source=hub", "data.dataset=a/b"]
    whole, part = (
        made(events(3.0, "a-aaaa"), *hub),
        made(events(2.0, "a-bbbb", bits=1.0), *hub, "data.train_split=half"),
    )
    assert compared_in(compare([whole, part])) == {"bits_per_byte"}


def test_data_that_changed_under_the_same_keys_do_not_compare(made: Made) -> None:
    comparison = compare([made(events(3.0, "tiny-aaaa")), made(events(2.0, "tiny-bbbb"))])
    assert compared_in(comparison) == set()
    assert comparison.remarks[0].startswith("The data have changed between the runs: ")


def test_the_same_data_compare_whatever_the_keys_and_the_name(made: Made) -> None:
    comparison = compare(
        [made(events(3.0, "one-aaaa")), made(events(2.0, "other-name-aaaa"), "data.val_fraction=0.10")]
    )
    assert "val_loss" in compared_in(comparison)


@pytest.mark.parametrize("override", ["train.seed=1", "train.eval_batches=3", "model.block_size=16"])
def test_other_windows_of_the_validation_data_are_remarked_on(made: Made, override: str) -> None:
    comparison = compare([made(events(3.0)), made(events(2.0), override)])
    assert "val_loss" in compared_in(comparison)
    [remark] = comparison.remarks
    assert f"different parts of the validation data ({override.partition('=')[0]})" in remark
    assert "slm-tui evaluate RUN" in remark


def test_a_run_that_was_never_evaluated_disturbs_no_comparison(made: Made) -> None:
    runs = [made(events(3.0)), made(events(2.0)), made(events(None, "x-cccc"), "data.stories=100"), made([])]
    comparison = compare(runs)
    assert comparison.best["val_loss"] == [str(runs[1])]
    assert comparison.remarks == []


def test_a_run_whose_experiment_cannot_be_read_stands_there_with_what_is_known(made: Made) -> None:
    good, other, bad = made(events(3.0)), made(events(2.0), "train.eps=1e-7"), made(events(1.0, rate=900.0))
    bad.experiment_file.write_text("[data", encoding="utf-8")
    comparison = compare([good, other, bad])
    assert comparison.runs[2].best is not None and comparison.runs[2].parameters is None
    assert comparison.best["tokens_per_second"] == [str(bad)]
    assert [(each.key, each.values) for each in comparison.differences] == [("train.eps", [1e-8, 1e-7, None])]
    assert comparison.remarks == [f"The experiment.toml of {bad} cannot be read: its keys are unknown."]


def test_an_unreadable_experiment_with_other_data_compares_in_nothing(made: Made) -> None:
    good, bad = made(events(3.0)), made(events(2.0, "tiny-bbbb"))
    bad.experiment_file.unlink()
    comparison = compare([good, bad])
    assert compared_in(comparison) == set()
    assert comparison.remarks[0] == "Whether loss, perplexity and bits per byte compare is not known."


def test_a_run_that_is_deleted_meanwhile_is_left_out(made: Made) -> None:
    kept, gone = made(events()), made(events())
    shutil.rmtree(gone.path)
    assert [facts.run for facts in compare([kept, gone]).runs] == [str(kept)]


def test_keys_that_differ_come_in_the_order_of_the_tables_defaults_filled_in(tiny: str) -> None:
    translated = apply_overrides(tiny, ["train.weight_decay=0.2", "data.translate.model=m", "hardware.device=cuda"])
    other = apply_overrides(tiny, ["train.learning_rate=0.003", 'sampling.prompts=["Once", "Then"]'])
    one, two = (msgspec.convert(tomli.loads(text), Experiment) for text in (translated, other))
    assert [(each.key, each.values) for each in differences([one, None, two])] == [
        ("data.translate.model", ["m", None, None]),
        ("data.translate.fraction", [1.0, None, None]),
        ("data.translate.batch_size", [32, None, None]),
        ("data.translate.max_length", [512, None, None]),
        ("train.weight_decay", [0.2, None, 0.1]),
        ("hardware.device", ["cuda", None, "cpu"]),
        ("sampling.prompts", [("Once",), None, ("Once", "Then")]),
    ]
    assert differences([one, one]) == differences([one]) == differences([None]) == differences([]) == []


def test_columns_carry_letters_marks_and_values_to_sort_by(made: Made) -> None:
    worse, better, new = made(events(3.0)), made(events(2.0, bits=1.0), "train.eps=1e-7"), made([])
    columns = {column.title: column for column in result_columns(compare([worse, better, new]), ["a", "b", "c"])}
    assert columns[""].cells == ["a", "b", "c"]
    assert columns["run"].cells == [f"tiny/{run.id[-4:]}" for run in (worse, better, new)]
    assert columns["val loss"].cells == ["3.000", "* 2.000", ""]
    assert columns["val loss"].values == [3.0, 2.0, None]
    assert columns["best at step"].cells == ["8", "8", ""]
    keys = difference_columns(compare([worse, better, new]), ["a", "b", "c"])
    assert [(column.title, column.cells) for column in keys] == [
        ("key", ["train.eps"]),
        ("a", ["1e-8"]),
        ("b", ["1e-7"]),
        ("c", ["1e-8"]),
    ]


def test_runs_whose_short_names_are_alike_are_named_in_full(made: Made) -> None:
    runs = compare([made(events()), made(events())]).runs
    runs[1].run = f"tiny/20200101T000000-{runs[0].run[-4:]}"
    assert short_names(runs) == [run.run for run in runs]


def test_values_are_shown_as_toml_without_control_characters_and_cut(made: Made) -> None:
    text = r'sampling.prompts=["\u001B[2J\u009B", "' + "x" * 80 + '"]'
    columns = difference_columns(compare([made(events()), made(events(), text)]), ["a", "b"])
    assert columns[1].cells == ['["Once"]']
    [cell] = columns[2].cells
    assert cell.startswith('["\\u001b[2J\ufffd","xx') and cell.endswith("x…") and len(cell) == 40


def test_csv_has_a_row_a_run_figures_in_full_and_then_the_keys(made: Made) -> None:
    one, two = made(events(1 / 3, rate=432.1)), made([], "hardware.device=cuda", "train.eps=1e-7")
    head, first, second = csv_rows(compare([one, two]))
    table = [dict(zip(head, row, strict=True)) for row in (first, second)]
    assert head[-2:] == ["train.eps", "hardware.device"]
    assert table[0]["run"] == str(one) and table[0]["val_loss"] == 1 / 3 and table[0]["tokens_per_second"] == 432.1
    assert table[0]["best_step"] == 8 and table[0]["tokens"] == 3072 and table[0]["seconds"] == 6.0
    assert (table[0]["train.eps"], table[0]["hardware.device"]) == ("1e-8", "cpu")
    assert table[1]["val_loss"] is None and table[1]["device"] is None and table[1]["hardware.device"] == "cuda"
