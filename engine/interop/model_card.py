"""The model card: README.md of an exported folder, with data, settings, figures and a sample."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec

from engine.checkpoints.write import CheckpointInfo
from engine.contract.events import Eval, Prepared
from engine.contract.experiment import Data, Experiment, Translate
from engine.contract.shape import parameter_count, tokens_per_step
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.generation.writer import story
from engine.interop.vocabulary import end_of_text
from engine.model.gpt import GPT
from engine.runs.event_search import samples_in
from engine.runs.run import Run

_CARD = """---
library_name: transformers
pipeline_tag: text-generation
tags:
{tags}
---

# {title}

{description}A GPT-2 of {parameters:,} parameters, {origin}. Run {run} of slm-tui, step {step:,}.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # this one
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
prompt = tokenizer(tokenizer.bos_token + {prompt}, return_tensors="pt")
print(tokenizer.decode(model.generate(**prompt)[0], skip_special_tokens=True))
```

Every story that it was trained on has `{eot}` before it, so a prompt needs it too.

## Data

{data}

## Figures

{figures}

## Settings

```toml
{settings}
```

## A sample

{sample}
"""


def model_card(run: Run, experiment: Experiment, model: GPT, info: CheckpointInfo, tokenizer: Tokenizer) -> str:
    """The card's text. Where the run has no sample of this checkpoint's step, one is written now."""
    prompt = next((prompt for prompt in experiment.sampling.prompts if prompt), "")
    return _CARD.format(
        tags="\n".join(f"- {_quoted(tag)}" for tag in dict.fromkeys(("gpt2", *experiment.tags))),
        title=run.name,
        description=f"{experiment.description}\n\n" if experiment.description else "",
        parameters=parameter_count(info.model, info.vocab_size),
        origin=_origin(experiment, info),
        run=run.id,
        step=info.step,
        prompt=_quoted(prompt),
        eot=end_of_text(tokenizer),
        data="\n".join(f"- {line}" for line in _data(run, experiment, info, tokenizer)),
        figures=_figures(run, experiment, info),
        settings=_settings(experiment),
        sample=_block(_sample(run, experiment, model, info, tokenizer)),
    )


def _origin(experiment: Experiment, info: CheckpointInfo) -> str:
    if not info.tokens:
        return "trained elsewhere and imported"
    start = experiment.train.init_from
    return f"fine-tuned from {start}" if start else "trained from scratch"


def _data(run: Run, experiment: Experiment, info: CheckpointInfo, tokenizer: Tokenizer) -> list[str]:
    if not info.tokens:
        return ["not known: these weights were trained elsewhere", f"vocabulary: {tokenizer.vocab_size:,} entries"]
    lines = [_corpus(experiment.data)]
    if isinstance(experiment.data.translate, Translate):
        lines.append(f"translated by {experiment.data.translate.model} before training")
    prepared: Prepared | None = run.status().data
    if prepared is not None:
        lines.append(f"{prepared.train_tokens:,} training tokens, {prepared.val_tokens:,} validation tokens")
    lines.append(f"tokenizer: {_tokenizer(experiment, tokenizer)}, {tokenizer.vocab_size:,} entries")
    return lines


def _corpus(data: Data) -> str:
    if data.source == "builtin":
        return f"slm-tui's built-in corpus: {data.stories:,} {data.language.capitalize()} stories from a story grammar"
    if data.source == "hub":
        return f"{data.dataset} of the Hugging Face hub" + (f", configuration {data.config}" if data.config else "")
    return "files: " + ", ".join(Path(name).name if "://" not in name else name for name in data.files)


def _tokenizer(experiment: Experiment, tokenizer: Tokenizer) -> str:
    if tokenizer.kind == "gpt2":
        return "GPT-2's"
    if experiment.train.init_from:
        return f"that of {experiment.train.init_from}"
    if tokenizer.kind == "byte_bpe":
        return "byte-level BPE, trained on the training split"
    return Path(experiment.tokenizer.name or "").name


def _figures(run: Run, experiment: Experiment, info: CheckpointInfo) -> str:
    """A Markdown table of the checkpoint's figures."""
    found: Eval | None = next((event for event in run.status().evals if event.step == info.step), None)
    val_loss = found.val_loss if found else info.val_loss
    rows = {"training steps": f"{info.step:,}", "training tokens seen": f"{info.tokens:,}"} if info.tokens else {}
    if val_loss is not None:
        rows["validation loss, nats a token"] = f"{val_loss:.4f}"
        rows["validation perplexity"] = f"{math.exp(min(val_loss, 700)):.2f}"
    if found:
        rows["validation bits a byte"] = f"{found.bits_per_byte:.4f}"
    if info.tokens:
        rows["tokens a step"] = f"{tokens_per_step(info.model, experiment.train):,}"
    if not rows:
        return "Not known."
    return "| figure | value |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def _settings(experiment: Experiment) -> str:
    """The tables that shaped the weights and their stories, as TOML; where files lie and what was noted stays here."""
    lines = []
    for name in ("tokenizer", "model", "train", "sampling"):
        table = msgspec.to_builtins(getattr(experiment, name))
        plain = {key: value for key, value in table.items() if value is not None and not isinstance(value, dict)}
        lines += [f"[{name}]", *(f"{key} = {_quoted(value)}" for key, value in plain.items()), ""]
    return "\n".join(lines).strip()


def _sample(run: Run, experiment: Experiment, model: GPT, info: CheckpointInfo, tokenizer: Tokenizer) -> str:
    written = samples_in(run.metrics, run.metrics.stat().st_size) if run.metrics.exists() else []
    of_this_step = [sample for sample in written if sample.step == info.step and sample.text.strip()]
    if of_this_step:
        return of_this_step[0].text
    return story(model, tokenizer, experiment.sampling.prompts[0], experiment.sampling, experiment.train.seed)


def _block(text: str) -> str:
    """A text as Markdown that cannot be taken for markup."""
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    "


def _quoted(value: Any) -> str:
    """A text, number or list of them as YAML, TOML and Python all read it."""
    return json.dumps(value, ensure_ascii=False)
