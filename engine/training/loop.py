"""The training loop: batch, forward, backward, step, log, evaluate, save.

python -m engine train RUN_DIRECTORY [--resume]
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.amp.grad_scaler import GradScaler

from engine.checkpoints.read import check_tokenizer, load_model
from engine.checkpoints.write import CheckpointInfo
from engine.checkpoints.writer import CheckpointWriter
from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.events import Emit, EndReason, Eval, Resumed
from engine.contract.experiment import Experiment
from engine.contract.shape import tokens_per_step, training_flops_per_token
from engine.data.batches import TokenFile, TrainingBatches, validation_windows
from engine.data.prepare import PreparedData
from engine.device.compilation import compiled
from engine.device.peak_rates import peak_flops
from engine.device.precision import autocast, choose_precision
from engine.model.gpt import GPT, compiled_loss
from engine.optim.optimizer import build_optimizer, clip_gradients
from engine.optim.schedule import after_evaluation, lr_at
from engine.runs.run import Run
from engine.runs.workspace import Workspace, mirror_folder
from engine.training.evaluate import bits_per_byte, mean_loss
from engine.training.samples import Samples
from engine.training.starting_point import starting_point
from engine.training.state import Progress, TrainingState, load_state
from engine.training.step_log import Diverged, Rates, StepLog


def train(
    run: Run,
    experiment: Experiment,
    data: PreparedData,
    device: torch.device,
    emit: Emit,
    stop_requested: Callable[[], bool],
    *,
    resume: bool,
) -> EndReason:
    """Train until max_steps, an early stop, a request to stop, or a loss or gradient that is not finite.

    Raises:
        UserError: the data are shorter than a window, or a checkpoint cannot be written or resumed from.
    """
    config = experiment.train
    precision = choose_precision(config.precision, device)
    torch.manual_seed(config.seed)
    model = GPT(experiment.model, data.manifest.vocab_size).to(device)
    optimizer = build_optimizer(model, config)
    scaler = GradScaler(device.type, enabled=precision == "fp16")  # else it does nothing
    train_tokens, val_tokens = token_files(data, experiment.model.block_size, device)
    batches = TrainingBatches(train_tokens, config.batch_size, config.seed)
    val_windows = validation_windows(val_tokens, config.batch_size, config.eval_batches, config.seed)
    samples = Samples(experiment, data.tokenizer(), run, device, emit)
    progress = Progress()
    state = TrainingState(model, optimizer, scaler, batches, progress, config, device)
    if resume:
        load_state(run, state, emit)
        if progress.step:
            check_tokenizer(run, "last", data.tokenizer(), data.directory)
        emit(Resumed(progress.step))
    if config.init_from is not None and progress.step == 0:
        start_from(config.init_from, model, experiment, run, data)
    rated = rates(experiment, data, device, precision)
    log = StepLog(emit, progress, rated, device, skips_overflow=scaler.is_enabled())
    loss_of = compiled(model.loss, lambda: compiled_loss(model), model, config, device, emit)

    def save(kind: CheckpointName) -> None:
        info = CheckpointInfo(
            experiment.model, data.manifest.vocab_size, progress.step, progress.tokens, progress.val_loss
        )
        trainer = state.state_dict() if kind == "last" else None
        checkpoints.save(kind, model.state_dict(), info, trainer)

    checkpoints = CheckpointWriter(run, data.directory / "tokenizer", emit)
    early_stop = 0 < config.early_stopping <= progress.evals_since_best  # one that was killed as it stopped
    with checkpoints:  # at its end all are on disk
        try:
            while progress.step < config.max_steps and not early_stop and not stop_requested():
                checkpoints.check()
                lr = lr_at(progress.step, config, progress.plateau)
                scale = scaler.scale(torch.ones((), device=device)) if scaler.is_enabled() else None
                step_loss = torch.zeros((), device=device)  # mean over the micro-batches
                for _ in range(config.grad_accum_steps):
                    ids, targets = batches.next()  # each (batch_size, block_size)
                    with autocast(precision, device):
                        loss = loss_of(ids, targets, scale) / config.grad_accum_steps
                    scaler.scale(loss).backward()
                    step_loss += loss.detach()
                scaler.unscale_(optimizer)
                grad_norm = clip_gradients(model.parameters(), config.grad_clip)
                optimizer.set_lr(lr)
                scaler.step(optimizer)  # unless fp16 overflowed: then no parameter moves
                scaler.update()
                optimizer.zero_grad(set_to_none=True)
                progress.step += 1
                progress.tokens += tokens_per_step(experiment.model, config)
                log.add(step_loss, grad_norm, lr)

                is_last = progress.step == config.max_steps
                if is_due(config.eval_interval, progress.step) or is_last:
                    log.pause()
                    val_batches = (val_tokens.batch(starts) for starts in val_windows)
                    val_loss, _ = mean_loss(model, val_batches, precision, loss_of)
                    if not math.isfinite(val_loss):
                        raise Diverged
                    progress.plateau = after_evaluation(progress.plateau, progress.step, config, val_loss)
                    train_loss, is_best = progress.note_evaluation(val_loss)
                    bits = bits_per_byte(val_loss, data.manifest.val.tokens, data.manifest.val.bytes)
                    emit(Eval(progress.step, train_loss, val_loss, bits, is_best, progress.tokens))
                    if is_best:
                        save("best")
                    early_stop = 0 < config.early_stopping <= progress.evals_since_best
                if is_due(config.sample_interval, progress.step) and not is_last:
                    log.pause()
                    samples.write(model, progress.step)
                if is_due(config.checkpoint_interval, progress.step) and not is_last:
                    log.pause()
                    save("last")
                log.go_on()
            log.pause()
        except Diverged:
            return "diverged"
        save("last")
    if progress.step < config.max_steps and not early_stop:
        return "stopped"
    best_model, best = load_model(run, "best", device)
    samples.write(best_model, best.step)
    return "early_stopped" if early_stop else "finished"


def start_from(init_from: str, model: GPT, experiment: Experiment, run: Run, data: PreparedData) -> None:
    """Give `model` the weights that `init_from` names.

    Raises:
        UserError: there are none of that name, they do not fit, or `data` were cut by another tokenizer than theirs.
    """
    workspace, mirror = Workspace(run.workspace_folder), mirror_folder()
    start = starting_point(init_from, workspace, mirror)
    tokenizer = start.tokenizer(workspace, mirror)
    if tokenizer is not None and tokenizer.fingerprint() != data.tokenizer().fingerprint():
        raise UserError(
            f'train.init_from = "{init_from}": now means {start.run or start.path}, whose tokenizer differs from that '
            f"of this run's data; slm-tui run {run.name} starts a new run"
        )
    model.load_state_dict(start.weights(experiment.model, model.wte.weight.shape[0]))
    theirs = " and the tokenizer" if tokenizer is not None else ""
    print(f"starts from the weights{theirs} of {start.run or start.path}", flush=True)


def is_due(interval: int, step: int) -> bool:
    """Whether something that happens every `interval` steps happens at this one; 0 is never."""
    return interval > 0 and step % interval == 0


def token_files(data: PreparedData, block_size: int, device: torch.device) -> tuple[TokenFile, TokenFile]:
    """The training and the validation split.

    Raises:
        UserError: a split is shorter than a window.
    """
    for name, split in (("training", data.manifest.train), ("validation", data.manifest.val)):
        if split.tokens <= block_size:
            raise UserError(
                f"model.block_size = {block_size}: must be below the {split.tokens} tokens of the {name} split"
            )
    dtype = data.manifest.dtype
    return TokenFile(data.train, dtype, block_size, device), TokenFile(data.val, dtype, block_size, device)


def rates(experiment: Experiment, data: PreparedData, device: torch.device, precision: str) -> Rates:
    """What turns this training's seconds a step into rates."""
    return Rates(
        tokens_per_step(experiment.model, experiment.train),
        training_flops_per_token(experiment.model, data.manifest.vocab_size),
        peak_flops(device, precision),
    )
