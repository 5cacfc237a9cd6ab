"""Exported folders: `transformers` computes the same logits and writes the same text, of every shipped architecture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from engine.checkpoints.read import load_whole
from engine.commands.export_ import export
from engine.commands.import_ import import_weights
from engine.contract.experiment import Sampling
from engine.contract.loading import load_experiment
from engine.data.tokenizers.byte_pair import gpt2
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.generation.writer import story
from engine.runs.run import Run
from engine.runs.workspace import Workspace

CPU = torch.device("cpu")
SHIPPED = sorted((Path(__file__).parents[3] / "experiments").glob("*.toml"))
TEXTS = [
    "Once upon a time there was a dragon.",
    "  two  spaces\n\nand\ttabs, 1234 numbers, don't we'll",
    "كان هُناكَ طفلٌ صغيرٌ، اسمه سامي؛ قال: «مرحبًا!»",
    "naïve café 😀 ﬁne ½ Å ﷺ",  # some of it is not normalized
]


def logits_of(run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids of whole windows, and our logits of them."""
    model, info, _ = load_whole(run, "best", CPU)
    torch.manual_seed(1)
    ids = torch.randint(info.vocab_size, (2, info.model.block_size))
    with torch.no_grad():
        return ids, model(ids)


def theirs(folder: Path) -> Any:
    """What `transformers` makes of the folder, without a warning that something is missing or left over."""
    model, told = GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), told
    return model.eval()


def greedy(folder: Path, model: Any, prompt: str, count: int) -> str:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(tokenizer.bos_token + prompt, return_tensors="pt")
    written = model.generate(**ids, do_sample=False, max_new_tokens=count, repetition_penalty=1.0)
    return str(tokenizer.decode(written[0], skip_special_tokens=True, clean_up_tokenization_spaces=False))


def ours_greedy(run: Run, prompt: str, count: int) -> str:
    model, _, tokenizer = load_whole(run, "best", CPU)
    return story(model, tokenizer, prompt, Sampling(max_new_tokens=count, temperature=0.0), seed=1)


def reduced(file: Path) -> list[str]:
    """Overrides for the shipped experiment: its own layers, heads and context, four numbers a head."""
    model = load_experiment(file).model
    return [f"model.n_embd={4 * model.n_head}"]


def also_when_soaked(file: Path) -> object:
    """One large architecture goes out in every run of the tests, the others in the long one."""
    return file if file.stem == "arastories_baseline" else pytest.param(file, marks=pytest.mark.slow)


@pytest.mark.parametrize("file", [also_when_soaked(file) for file in SHIPPED], ids=lambda file: file.stem)
def test_every_shipped_architecture_goes_out_and_comes_back_alike(
    make_run: Callable[..., Run], tmp_path: Path, file: Path
) -> None:
    run = make_run(*reduced(file), text=file.read_text(encoding="utf-8"), name=file.stem)
    folder = tmp_path / "exported"
    export(run, "best", "huggingface", folder)
    ids, logits = logits_of(run)
    model = theirs(folder)
    with torch.no_grad():
        assert torch.allclose(model(ids).logits, logits, rtol=0, atol=1e-4)
    assert greedy(folder, model, "Once", 20) == ours_greedy(run, "Once", 20)

    back = import_weights(folder, "back", Workspace(tmp_path), [], None, None)
    again = Run(Path(back.run))
    assert torch.equal(logits_of(again)[1], logits)
    assert ours_greedy(again, "Once", 20) == ours_greedy(run, "Once", 20)
    assert load_whole(again, "best", CPU)[1].model.n_head == load_whole(run, "best", CPU)[1].model.n_head
    assert back.notes == []


def test_the_weights_are_for_those_who_may_read_the_other_files(make_run: Callable[..., Run], tmp_path: Path) -> None:
    export(make_run(), "best", "huggingface", tmp_path / "exported")
    modes = {path.stat().st_mode for path in (tmp_path / "exported").iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize(("bias", "activation"), [("true", "gelu"), ("false", "gelu"), ("true", "gelu_tanh")])
@pytest.mark.parametrize("tied", ["true", "false"])
def test_biases_activation_and_head_survive_both_ways(
    make_run: Callable[..., Run], tmp_path: Path, bias: str, tied: str, activation: str
) -> None:
    run = make_run(f"model.bias={bias}", f"model.tie_weights={tied}", f"model.activation={activation}")
    folder = tmp_path / "exported"
    export(run, "best", "huggingface", folder)
    ids, logits = logits_of(run)
    with torch.no_grad():
        assert torch.allclose(theirs(folder)(ids).logits, logits, rtol=0, atol=1e-4)
        assert torch.allclose(AutoModelForCausalLM.from_pretrained(folder)(ids).logits, logits, rtol=0, atol=1e-4)
    back = Run(Path(import_weights(folder, "back", Workspace(tmp_path), [], None, None).run))
    _, info, _ = load_whole(back, "best", CPU)
    original = load_whole(run, "best", CPU)[1].model
    for key in ("bias", "tie_weights", "activation"):
        assert getattr(info.model, key) == getattr(original, key)
    assert torch.equal(logits_of(back)[1], logits)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
@pytest.mark.parametrize("form", ["GPT2LMHeadModel", "GPT2Model"])
def test_a_folder_that_transformers_wrote_comes_in(
    make_run: Callable[..., Run], tmp_path: Path, activation: str, form: str
) -> None:
    exported, folder = tmp_path / "exported", tmp_path / "theirs"
    export(make_run(), "best", "huggingface", exported)  # for its tokenizer
    torch.manual_seed(3)
    shape = {"vocab_size": 400, "n_positions": 48, "n_embd": 32, "n_layer": 3, "n_head": 4}
    config = GPT2Config(**shape, activation_function=activation, initializer_range=0.2)
    model = GPT2LMHeadModel(config).eval()
    (model if form == "GPT2LMHeadModel" else model.transformer).save_pretrained(folder)
    AutoTokenizer.from_pretrained(exported).save_pretrained(folder)
    back = import_weights(folder, "back", Workspace(tmp_path), [], None, None)
    ids, logits = logits_of(Run(Path(back.run)))
    with torch.no_grad():
        difference = (model(ids).logits - logits).abs().max()
    assert difference < 1e-4
    assert back.notes == []
    assert (back.model["n_head"], back.model["block_size"]) == (4, 48)
    assert back.model["activation"] == ("gelu" if activation == "gelu" else "gelu_tanh")


def test_the_folders_tokenizer_cuts_and_joins_text_as_ours(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    export(run, "best", "huggingface", tmp_path / "exported")
    check_tokenizer(tmp_path / "exported", load_whole(run, "best", CPU)[2])


def test_gpt2s_tokenizer_goes_out_with_its_own_merges(
    make_run: Callable[..., Run], tmp_path: Path, mirror: Path
) -> None:
    tokenizer = gpt2(tmp_path / "tiktoken", mirror)
    run = make_run("model.n_layer=1", "model.n_embd=4", tokenizer=tokenizer)
    export(run, "best", "huggingface", tmp_path / "exported")
    check_tokenizer(tmp_path / "exported", tokenizer)


def check_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    exported = AutoTokenizer.from_pretrained(folder)
    assert len(exported) == tokenizer.vocab_size
    assert exported.bos_token_id == exported.eos_token_id == tokenizer.eot_id
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert exported(text)["input_ids"] == ids
        assert exported.decode(ids, clean_up_tokenization_spaces=False) == tokenizer.decode(ids)


def test_generation_is_set_as_the_runs_sampling_table_says(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run("sampling.temperature=0.7", "sampling.top_p=0.9", "sampling.min_p=0.05")
    export(run, "best", "huggingface", tmp_path / "exported")
    config = theirs(tmp_path / "exported").generation_config
    assert (config.do_sample, config.temperature, config.top_k, config.top_p) == (True, 0.7, 0, 0.9)
    assert (config.min_p, config.max_length) == (0.05, 32)


def test_the_model_card_tells_data_settings_figures_and_a_sample(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run('tags=["small", "colon: tag"]')
    export(run, "best", "huggingface", tmp_path / "exported")
    card = (tmp_path / "exported" / "README.md").read_text(encoding="utf-8")
    for told in (
        "200 English stories",
        "9,000 training tokens",
        "| validation loss, nats a token | 3.2500 |",
        "| validation perplexity | 25.79 |",
        "| validation bits a byte | 1.5000 |",
        "learning_rate = 0.003",
        "    Once there was\n    a small | boat.",
        '- "colon: tag"',
    ):
        assert told in card, told


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ((), "tokenizer: byte-level BPE, trained on the training split, 400 entries"),
        (("train.init_from='other'",), "tokenizer: that of other, 400 entries"),
    ],
)
def test_the_model_card_tells_whose_tokenizer_it_is(
    make_run: Callable[..., Run], tmp_path: Path, keys: tuple[str, ...], told: str
) -> None:
    export(make_run(*keys), "best", "huggingface", tmp_path / "exported")
    assert told in (tmp_path / "exported" / "README.md").read_text(encoding="utf-8")


def test_the_model_cards_example_runs(make_run: Callable[..., Run], tmp_path: Path, capsys: Any) -> None:
    run = make_run("sampling.prompts=['Once \"upon\"']")
    folder = tmp_path / "exported"
    export(run, "best", "huggingface", folder)
    card = (folder / "README.md").read_text(encoding="utf-8")
    example = card.split("```python\n")[1].split("```")[0].replace('folder = "."', f"folder = {str(folder)!r}")
    exec(example, {})
    assert capsys.readouterr().out.startswith('Once "upon"')
