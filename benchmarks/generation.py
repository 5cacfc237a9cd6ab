"""How fast stories are written: our loop against recomputing the context, as nanoGPT does, and against transformers.

    python benchmarks/generation.py [--rounds 5] [--tokens 256] [--threads 2] [--int8-loss RUN_DIRECTORY]

All write with the same random weights: 6 layers, 6 heads, width 384, context 512, GPT-2's vocabulary, a prompt of 10
tokens, batch 1, temperature 0.8. Rounds alternate, medians are told. Then the time from the start of
`python -m engine generate` to `loaded`, and from a request to its first token. With --int8-loss, also what int8 costs
a trained model: the loss on its validation windows, each token predicted from all that came before it.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save_file

from engine.checkpoints.read import load_model
from engine.checkpoints.write import CheckpointInfo
from engine.commands.prepare import data_of
from engine.contract.experiment import Model, Sampling
from engine.contract.generation import Done, Generate, Loaded, decode_reply, encode
from engine.data.batches import TokenFile, whole_split
from engine.data.tokenizers.byte_pair import BYTE_LEVEL_PATTERN, BytePairTokenizer, TokenizerConfig
from engine.data.tokenizers.tokenizer import EOT, Tokenizer
from engine.generation.decoder import column_major
from engine.generation.quantize import quantize
from engine.generation.writer import Writer
from engine.model.gpt import GPT
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from engine.training.evaluate import mean_loss

SHAPE = Model(n_layer=6, n_head=6, n_embd=384, block_size=512)
VOCABULARY = 50_257
PROMPT = list(range(100, 110))

Loop = Callable[[int], float]  # writes so many tokens; returns when, by perf_counter, the first was there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--int8-loss", type=Path, metavar="RUN_DIRECTORY")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.int8_loss:
        print_int8_loss(Run(arguments.int8_loss.resolve()))
        return
    torch.manual_seed(0)
    model = GPT(SHAPE, VOCABULARY).eval()
    loops: dict[str, Loop] = {
        "the whole context for each token, as nanoGPT": recomputing(model),
        "transformers' GPT-2, generate with cache": transformers_loop(model),
        "slm-tui": ours(column_major(copy.deepcopy(model))),
        "slm-tui, int8": ours(quantize(copy.deepcopy(model))),
    }
    measured = alternate(loops, arguments.rounds, arguments.tokens)
    print_table(measured, arguments.tokens)
    print_process(model, arguments.rounds)


def alternate(loops: dict[str, Loop], rounds: int, tokens: int) -> dict[str, list[tuple[float, float]]]:
    """Of each loop and round: seconds to the first token, and tokens a second over all of them."""
    for loop in loops.values():
        loop(8)  # warm
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            start = time.perf_counter()
            first = loop(tokens)
            measured[name].append((first - start, tokens / (time.perf_counter() - start)))
    return measured


def print_table(measured: dict[str, list[tuple[float, float]]], tokens: int) -> None:
    load = os.getloadavg()[0]
    print(f"{tokens} tokens after {len(PROMPT)}; {torch.get_num_threads()} threads, load {load:.1f}, medians\n")
    print(f"{'':46}{'tokens/s':>9}{'first token':>13}{'of nanoGPT':>12}{'of transf.':>12}")
    rates = {name: statistics.median(rate for _, rate in rounds) for name, rounds in measured.items()}
    nanogpt, transformers, *_ = rates.values()
    for name, rounds in measured.items():
        first = statistics.median(first for first, _ in rounds) * 1000
        rate = rates[name]
        print(f"{name:46}{rate:>9.1f}{first:>10.0f} ms{rate / nanogpt:>11.2f}x{rate / transformers:>11.2f}x")


def recomputing(model: GPT) -> Loop:
    """The loop without a cache: the last block_size tokens through the model, one token drawn from its last logits."""

    @torch.inference_mode()
    def loop(tokens: int) -> float:
        ids = torch.tensor([PROMPT])
        first = 0.0
        for _ in range(tokens):
            logits = model.head(model.hidden(ids[:, -model.block_size :])[:, -1]) / 0.8
            ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1)], dim=1)
            first = first or time.perf_counter()
        return first

    return loop


def ours(model: GPT) -> Loop:
    tokenizer = bytes_tokenizer(VOCABULARY)

    def loop(tokens: int) -> float:
        writer = Writer(model, tokenizer, PROMPT, Sampling(temperature=0.8, max_new_tokens=tokens), seed=0)
        writer.step()
        first = time.perf_counter()
        for _ in range(tokens - 1):
            assert writer.samples, "end-of-text was drawn: wants another seed"
            writer.step()
        return first

    return loop


def transformers_loop(model: GPT) -> Loop:
    """The same weights in GPT2LMHeadModel, whose linear layers hold them transposed."""
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.generation.streamers import BaseStreamer

    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=SHAPE.block_size, n_embd=SHAPE.n_embd, n_layer=SHAPE.n_layer,
        n_head=SHAPE.n_head, activation_function="gelu", bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    theirs = GPT2LMHeadModel(config).eval()
    transposed = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    state = {
        f"transformer.{name}": value.t() if name.endswith(transposed) else value
        for name, value in model.state_dict().items()
    }
    theirs.load_state_dict({**state, "lm_head.weight": model.wte.weight.detach()})
    ids = torch.tensor([PROMPT])
    with torch.inference_mode():
        torch.testing.assert_close(theirs(ids).logits, model(ids), rtol=1e-3, atol=1e-3)

    class FirstToken(BaseStreamer):  # type: ignore[misc]
        """Gets the prompt, and then each token."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def put(self, value: torch.Tensor) -> None:
            self.times.append(time.perf_counter())

        def end(self) -> None:
            pass

    def loop(tokens: int) -> float:
        streamer = FirstToken()
        theirs.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=0.8, top_k=0,
            max_new_tokens=tokens, min_new_tokens=tokens, pad_token_id=0, streamer=streamer,
        )  # fmt: skip
        return streamer.times[1]

    return loop


def bytes_tokenizer(vocab_size: int) -> Tokenizer:
    """A vocabulary of that size in which every token has some bytes."""
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [bytes([byte, first, second]) for byte in range(1) for first in range(256) for second in range(256)]
    ranks = {token: rank for rank, token in enumerate(tokens[: vocab_size - 1])}
    config = TokenizerConfig("byte_bpe", BYTE_LEVEL_PATTERN, {EOT: vocab_size - 1}, None, vocab_size)
    return BytePairTokenizer(config, ranks)


def print_process(model: GPT, rounds: int) -> None:
    """The generation process: from its start to `loaded`, and from a request to the first token."""
    request = Generate("Once", Sampling(max_new_tokens=32), seed=0)
    for quantized in ([], ["--quantize", "int8"]):
        starts, firsts = [], []
        with tempfile.TemporaryDirectory() as folder:
            run = saved(model, Path(folder))
            for _ in range(rounds):
                start = time.perf_counter()
                with process(run, *quantized) as started:
                    assert started.stdin is not None and started.stdout is not None
                    assert isinstance(decode_reply.decode(started.stdout.readline()), Loaded)
                    starts.append(time.perf_counter() - start)
                    started.stdin.write(encode(request) + b"\n")
                    started.stdin.flush()
                    done = next(reply for reply in map(decode_reply.decode, started.stdout) if isinstance(reply, Done))
                    firsts.append(done.seconds_to_first_token)
                    started.stdin.close()
        name = "int8" if quantized else "full precision"
        print(
            f"\nthe process, {name}: {statistics.median(starts):.2f} s from its start to loaded, "
            f"{statistics.median(firsts) * 1000:.0f} ms from a request to the first token"
        )


def process(run: Run, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "engine", "generate", str(run.path), "--device", "cpu", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def saved(model: GPT, folder: Path) -> Run:
    """A run whose best checkpoint is `model`."""
    run = Workspace(folder).new_run("benchmark")
    best = run.checkpoints / "best"
    best.mkdir(parents=True)
    save_file(model.state_dict(), best / "model.safetensors")
    (best / "config.json").write_bytes(msgspec.json.encode(CheckpointInfo(SHAPE, VOCABULARY, 1, 1, None)))
    bytes_tokenizer(VOCABULARY).save(best / "tokenizer")
    return run


def print_int8_loss(run: Run) -> None:
    """Mean loss over the whole validation split, at full precision and with int8."""
    experiment = run.experiment()
    data = data_of(run, experiment, lambda event: None)
    device = torch.device("cpu")
    model, info = load_model(run, "best", device)
    file = TokenFile(data.val, data.manifest.dtype, info.model.block_size, device)
    losses = [
        mean_loss(version, whole_split(file, experiment.train.batch_size), "fp32")[0]
        for version in (model, quantize(copy.deepcopy(model)))
    ]
    print(f"{run}: validation loss {losses[0]:.5f}, with int8 {losses[1]:.5f} ({losses[1] / losses[0] - 1:+.3%})")


if __name__ == "__main__":
    main()
