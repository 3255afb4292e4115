"""The training loop: phase 1 on motion, then phase 2 on motion and video, resuming where the run stopped."""

import errno
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from echomotion_model.model.transformer import is_motion_parameter
from echomotion_model.train.config import CONFIG_FILE, TrainConfig, format_config
from echomotion_model.train.ema import Ema
from echomotion_model.train.inputs.batch import TrainBatch, check_train_batch
from echomotion_model.train.inputs.encoders import Encoders
from echomotion_model.train.inputs.sets import (
    NORMALIZER_FILE,
    BatchSources,
    TrainSets,
    fit_normalizer,
    load_or_fit_normalizer,
    open_sets,
)
from echomotion_model.train.inputs.source import BatchSource
from echomotion_model.train.optimizer import PhaseConfig, make_optimizer, set_rate
from echomotion_model.train.parallel.shapes import count_block_shapes
from echomotion_model.train.run.checkpoint import (
    RunState,
    check_model,
    check_settings,
    list_checkpoints,
    load_tensors,
    read_state,
    save_checkpoint,
)  # fmt: skip
from echomotion_model.train.run.dist_context import DistContext, SingleProcess
from echomotion_model.train.run.init import init_model
from echomotion_model.train.run.log import MetricsLog
from echomotion_model.train.run.mfu import count_step_flops, get_peak_flops
from echomotion_model.train.run.state import collect_tensors, list_parameters
from echomotion_model.train.run.stopping import StopRequested, stop_on_signals
from echomotion_model.train.step import PassLoss, compute_loss
from echomotion_model.train.validation import VALIDATION_FOLDER, Validation
from humove.errors import EXIT_DEFECT, UserError
from humove.ids import hash_file
from humove.storage.atomic import write_text
from humove.storage.locks import lock_folder, require_writable_folder
from humove.video.encode import EncodeError
from shards.format import DATASET_FILE
from shards.motion_only.schemas import MOTION_FILE
from shards.reader import Dataset

PHASES = ("motion", "paired")
"""In order; logs number them from 1."""
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """The outcome of a call of `train`."""

    step: int
    """Steps taken by the run over both phases."""
    finished: bool
    """False if it was stopped: the same call resumes the run."""


def train(
    config: TrainConfig,
    dataset: str,
    out: Path,
    *,
    motion_only: Sequence[str] = (),
    context: DistContext | None = None,
    stop: StopRequested | None = None,
    on_metrics: Callable[[int, Mapping[str, float]], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> TrainResult:
    """Train on a data set, and on motion-only sets in phase 1, in the run's folder `out`; resume a run that is there.

    A first SIGTERM or SIGINT saves and returns, and so does `stop`. `say` gets a line for each slow operation; it and
    `on_metrics` are called in one of the processes.
    UserError, one line, for what the user can fix; the last checkpoint remains valid.
    """
    context = context if context is not None else SingleProcess()
    stop = stop if stop is not None else StopRequested()  # false until requested
    if any((out / name).exists() for name in (DATASET_FILE, MOTION_FILE)):
        raise UserError(f"{out} is a data set; give OUT a folder of its own for the run")
    if not context.main:
        on_metrics = say = None
    sets = open_sets(dataset, motion_only, config)
    if context.main:
        require_writable_folder(out)
    with lock_folder(out, "training") if context.main else nullcontext():
        run: _Run | None = None
        try:
            run = _Run(config, sets, out, context, stop, on_metrics, say or (lambda line: None))
            with stop_on_signals(stop):  # before this there is nothing to save
                return run.train_phases()
        except OSError as error:
            if error.errno not in _CANNOT_WRITE:
                raise
            raise _make_write_error(out, error.strerror) from error
        except EncodeError as error:
            raise _make_write_error(out, str(error)) from error
        finally:
            if run is not None:
                run.close()


def _make_write_error(out: Path, what: str) -> UserError:
    last = next((path.name for path in reversed(list_checkpoints(out))), "none")
    return UserError(f"{out}: {what}; last checkpoint: {last}; fix this and run the same command", EXIT_DEFECT)


class _Run:
    """One process's part of a run."""

    def __init__(
        self,
        config: TrainConfig,
        sets: TrainSets,
        out: Path,
        context: DistContext,
        stop: StopRequested,
        on_metrics: Callable[[int, Mapping[str, float]], None] | None,
        say: Callable[[str], None],
    ) -> None:
        self._config, self._out, self._context, self._stop = config, out, context, stop
        self._on_metrics, self._say = on_metrics, say
        self._log: MetricsLog | None = None
        last = next(reversed(list_checkpoints(out)), None)
        self._state = read_state(last) if last else None
        if self._state:
            check_model(last, self._state, config.model.model_dump(mode="json"), config.lora.model_dump(mode="json"))
            check_settings(last, self._state, _get_resume_settings(config))
        self._last = last
        context.barrier()
        self._sources = BatchSources(sets, config, out, Encoders(config.encoders), context, say)
        fps = config.data.buckets.fps
        self._normalizer = load_or_fit_normalizer(out, lambda: fit_normalizer(sets.motions, fps), context)
        self._files = {NORMALIZER_FILE: hash_file(out / NORMALIZER_FILE)}
        self._null_LE = self._sources.texts.embed_null().to(context.device)
        if self._null_LE.shape[1] != config.model.text_dim:
            raise UserError(
                f"the caption embeddings have {self._null_LE.shape[1]} dimensions, the model's text_dim is "
                f"{config.model.text_dim}: set encoders.text, and use latents, that match the model"
            )
        self._model = context.wrap_model(init_model(config, resumed=last is not None), count_block_shapes(config))
        self._trainable = {name for name, parameter in list_parameters(self._model) if parameter.requires_grad}
        self._ema = Ema(list_parameters(self._model), config.ema.decay) if config.ema.decay else None
        self._validation = self._make_validation(sets.paired) if config.validation.clips else None
        self._peak = get_peak_flops(context.device) * context.devices
        self.step = self._state.step if self._state else 0

    def close(self) -> None:
        if self._log:
            self._log.close()

    def train_phases(self) -> TrainResult:
        if self._context.main:
            self._log = MetricsLog(self._out, self.step)
        first = PHASES.index(self._state.phase) if self._state else 0
        for name in PHASES[first:]:
            if not self._run_phase(name):
                return TrainResult(step=self.step, finished=False)
        return TrainResult(step=self.step, finished=self._validate_last_step())

    def _run_phase(self, name: str) -> bool:
        """Run the remaining steps of a phase; return False if the run was stopped."""
        phase: PhaseConfig = getattr(self._config.phases, name)
        done = self._state.phase_step if self._state else 0
        if done >= phase.steps and not self._is_resuming():
            return True
        for parameter_name, parameter in list_parameters(self._model):
            parameter.requires_grad_(parameter_name in self._trainable and self._is_trained(parameter_name, name))
        optimizer = make_optimizer(list_parameters(self._model), self._config.optimizer)
        source = self._sources.make_source(name, self._normalizer)
        if self._is_resuming():
            load_tensors(self._last, collect_tensors(self._model, self._ema, optimizer))
            if self._ema:
                self._ema.updates = self._state.ema_updates
            source.load_state_dict(self._state.data)
            self._say(f"{self._out}: resuming from {self._last.name}")
        if self._context.main:  # only now: settings that cannot resume the run must not replace its own
            write_text(self._out / CONFIG_FILE, format_config(self._config))
        self._state = self._last = None
        if done < phase.steps:
            self._say(f"phase {PHASES.index(name) + 1}: steps {done + 1} to {phase.steps}")
        with closing(iter(source)) as batches:  # closing it ends the threads that read ahead
            for phase_step in range(done, phase.steps):
                self._run_step(name, phase, phase_step, optimizer, batches)
                ends = phase_step + 1 == phase.steps
                saves = ends or self.step % self._config.checkpoint.every == 0
                if saves:
                    self._save_checkpoint(name, phase_step + 1, source, optimizer)
                last = ends and name == PHASES[-1]
                every = self._config.validation.every
                if self._validation and every and self.step % every == 0 and not last:
                    self._run_validation()
                if self._should_stop():
                    if not saves:
                        self._save_checkpoint(name, phase_step + 1, source, optimizer)
                    return last
        return True

    def _make_validation(self, dataset: Dataset) -> Validation:
        encoders = self._config.encoders
        if encoders.video == "vae" and not encoders.vae:
            raise UserError(
                "validation.clips needs Wan's VAE: set encoders.vae to its folder, or validation.clips to 0"
            )
        return Validation(dataset, self._config, self._sources.load_video(), self._sources.texts, self._normalizer)

    def _should_stop(self) -> bool:
        """Return whether any process was asked to stop; all processes get the same answer at the same step."""
        return self._context.any_process(bool(self._stop))

    def _validate_last_step(self) -> bool:
        """Validate the last step unless that is done; return False if the run was stopped before."""
        if self._validation is None or self._context.any_process(
            bool(self._log and self._log.has_validation(self.step))
        ):
            return True
        return self._run_validation()

    def _run_validation(self) -> bool:
        """Draw samples with the averaged weights, if any; return False if the run was stopped in between.

        Every process takes part, since each may hold a shard of the weights.
        """
        if self._ema:
            self._ema.swap(list_parameters(self._model))
        folder = self._out / VALIDATION_FOLDER / str(self.step) if self._context.main else None
        self._say(f"step {self.step}: sampling {len(self._validation.clips)} clips in the three modes")
        figures = self._validation.run(self._model, self._context.device, folder, self._should_stop)
        if self._ema:
            self._ema.swap(list_parameters(self._model))
        if figures is not None:
            self._log_metrics(figures)
        return figures is not None

    def _is_resuming(self) -> bool:
        return self._last is not None

    def _is_trained(self, parameter: str, phase: str) -> bool:
        if phase == "paired" or is_motion_parameter(parameter):
            return True
        return self._config.phases.motion.train_shared and parameter.startswith("condition_embedder.")

    def _run_step(
        self,
        name: str,
        phase: PhaseConfig,
        phase_step: int,
        optimizer: torch.optim.Optimizer,
        batches: Iterator[TrainBatch],
    ) -> None:
        began = time.perf_counter()
        rate = phase.compute_rate(phase_step)
        set_rate(optimizer, rate)
        optimizer.zero_grad(set_to_none=True)
        losses, data_seconds = [], 0.0
        max_micro_steps = max(getattr(self._config.phases, each).accumulate for each in PHASES)
        for micro_step in range(phase.accumulate):
            fetch_began = time.perf_counter()
            batch = next(batches).to(self._context.device)
            check_train_batch(batch, self._config)
            data_seconds += time.perf_counter() - fetch_began
            result = compute_loss(
                self._model, batch, self._null_LE, self._config, self._context, self.step * max_micro_steps + micro_step
            )
            (result.loss / phase.accumulate).backward()
            losses.append(result)
        trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        norm = nn.utils.clip_grad_norm_(trained, self._config.optimizer.clip_norm)
        norm = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        if not math.isfinite(norm):
            last = next((path.name for path in reversed(list_checkpoints(self._out))), "none")
            raise UserError(
                f"step {self.step + 1}: the gradient is {norm}, so the run has diverged; lower phases.{name}."
                f"learning_rate and resume from the last checkpoint ({last})",
                EXIT_DEFECT,
            )
        optimizer.step()
        if self._ema:
            self._ema.update(list_parameters(self._model))
        self.step += 1
        seconds = time.perf_counter() - began
        if self.step % self._config.log.every == 0 or phase_step + 1 == phase.steps:
            metrics = {"phase": PHASES.index(name) + 1, "learning_rate": rate, "grad_norm": norm}
            metrics |= self._compute_metrics(losses, seconds) | {"step_seconds": seconds, "data_seconds": data_seconds}
            self._log_metrics(metrics)

    def _compute_metrics(self, losses: Sequence[PassLoss], seconds: float) -> dict[str, float]:
        """Compute the losses over all passes and ranks, and the throughput."""
        config, figures = self._config, {}
        for name in ("video", "motion"):
            values = [value for each in losses if (value := getattr(each, name)) is not None]
            if values:
                figures[f"loss_{name}"] = sum(values) / len(values)
        weighted = [
            config.loss.video * (each.video or 0.0) + config.loss.motion * (each.motion or 0.0) for each in losses
        ]
        tokens = sum(each.samples * (each.video_tokens + each.motion_tokens) for each in losses)
        flops = sum(
            each.samples
            * count_step_flops(
                config.model,
                each.video_tokens,
                each.motion_tokens,
                config.encoders.text_tokens,
                adapted=bool(config.lora.rank),
            )
            for each in losses
        )
        return {
            "loss": sum(weighted) / len(weighted),
            **figures,
            "samples": sum(each.samples for each in losses),
            "tokens_per_second": tokens / seconds,
            "tflops": flops / seconds / 1e12,
            "mfu": flops / seconds / self._peak,
        }

    def _log_metrics(self, metrics: Mapping[str, float]) -> None:
        if self._log:
            self._log.write(self.step, metrics)
        if self._on_metrics:
            self._on_metrics(self.step, metrics)

    def _save_checkpoint(
        self, phase: str, phase_step: int, source: BatchSource, optimizer: torch.optim.Optimizer
    ) -> None:
        state = RunState(
            step=self.step,
            phase=phase,
            phase_step=phase_step,
            data=source.state_dict(),
            model=self._config.model.model_dump(mode="json"),
            lora=self._config.lora.model_dump(mode="json"),
            settings=_get_resume_settings(self._config),
            files=self._files,
            ema_updates=self._ema.updates if self._ema else 0,
        )
        tensors = collect_tensors(self._model, self._ema, optimizer)
        save_checkpoint(self._out, state, tensors, self._config.checkpoint.keep, self._context)


def _get_resume_settings(config: TrainConfig) -> dict[str, Any]:
    """Get the settings that must match on resume."""
    encoders = {f"encoders.{name}": getattr(config.encoders, name) for name in ("video", "text", "windows")}
    shared = {"phases.motion.train_shared": config.phases.motion.train_shared}
    return {"ema.decay": config.ema.decay} | shared | encoders
