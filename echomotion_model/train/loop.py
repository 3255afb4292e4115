"""The training loop: phase 1 on motion alone, then phase 2 on motion and video, from wherever the run stands."""

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

from echomotion_model.model.transformer import is_motion
from echomotion_model.train.batch import Given, check_given
from echomotion_model.train.checkpoint import (
    RunState,
    check_model,
    check_settings,
    checkpoints,
    load_tensors,
    read_state,
    save_checkpoint,
)  # fmt: skip
from echomotion_model.train.config import CONFIG_FILE, TrainConfig, config_text
from echomotion_model.train.ema import Ema
from echomotion_model.train.encoders import Encoders
from echomotion_model.train.log import MetricsLog
from echomotion_model.train.mfu import peak_flops, step_flops
from echomotion_model.train.optimizer import PhaseConfig, make_optimizer, set_rate
from echomotion_model.train.parallel.shapes import block_shapes
from echomotion_model.train.sets import NORMALIZER_FILE, Sets, Sources, fit_normalizer, open_sets, saved_normalizer
from echomotion_model.train.source import Source
from echomotion_model.train.start import start_model
from echomotion_model.train.state import checkpoint_tensors, named
from echomotion_model.train.step import PassLoss, pass_loss
from echomotion_model.train.stopping import StopAsked, stop_on_signals
from echomotion_model.train.validation import VALIDATION_FOLDER, Validation
from echomotion_model.train.world import OneProcess, World
from humove.atomic import write_text
from humove.errors import EXIT_DEFECT, UserError
from humove.ids import file_sha256
from humove.out import locked, need_writable
from humove.video.encode import EncodeError
from shards.format import DATASET_FILE
from shards.motion_only_documents import MOTION_FILE
from shards.reader import Dataset

PHASES = ("motion", "paired")
"""In their order; the logs count them from 1."""
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """How a call of `train` ended."""

    step: int
    """Steps that the run has taken, over both phases."""
    finished: bool
    """False where it was told to stop: the same call goes on."""


def train(
    config: TrainConfig,
    dataset: str,
    out: Path,
    *,
    motion_only: Sequence[str] = (),
    world: World | None = None,
    stop: StopAsked | None = None,
    on_metrics: Callable[[int, Mapping[str, float]], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Trained:
    """Trains on a data set, and on motion-only sets in phase 1, into the run's folder `out`; resumes what is there.

    A first SIGTERM or SIGINT saves and returns, and so does `stop`. `say` is told a line for what takes long; it
    and `on_metrics` are called by one of the processes.
    UserError, one line, for what the user can mend; the last checkpoint then stands.
    """
    world = world if world is not None else OneProcess()
    stop = stop if stop is not None else StopAsked()  # an unasked one is false
    if any((out / name).exists() for name in (DATASET_FILE, MOTION_FILE)):
        raise UserError(f"{out} is a data set; give OUT a folder of its own for the run")
    if not world.main:
        on_metrics = say = None
    sets = open_sets(dataset, motion_only, config)
    if world.main:
        need_writable(out)
    with locked(out, "training") if world.main else nullcontext():
        run: _Run | None = None
        try:
            run = _Run(config, sets, out, world, stop, on_metrics, say or (lambda line: None))
            with stop_on_signals(stop):  # until here there is nothing to save, and what was made is there
                return run.go()
        except OSError as error:
            if error.errno not in _CANNOT_WRITE:
                raise
            raise _told_at(out, error.strerror) from error
        except EncodeError as error:
            raise _told_at(out, str(error)) from error
        finally:
            if run is not None:
                run.close()


def _told_at(out: Path, what: str) -> UserError:
    """What could not be written."""
    last = next((path.name for path in reversed(checkpoints(out))), "no checkpoint")
    return UserError(f"{out}: {what}; {last} stands: mend that and run it again", EXIT_DEFECT)


class _Run:
    """One process's part of a run."""

    def __init__(
        self,
        config: TrainConfig,
        sets: Sets,
        out: Path,
        world: World,
        stop: StopAsked,
        on_metrics: Callable[[int, Mapping[str, float]], None] | None,
        say: Callable[[str], None],
    ) -> None:
        self._config, self._out, self._world, self._stop = config, out, world, stop
        self._on_metrics, self._say = on_metrics, say
        self._log: MetricsLog | None = None
        last = next(reversed(checkpoints(out)), None)
        self._state = read_state(last) if last else None
        if self._state:
            check_model(last, self._state, config.model.model_dump(mode="json"), config.lora.model_dump(mode="json"))
            check_settings(last, self._state, _settings(config))
        self._last = last
        world.barrier()
        self._sources = Sources(sets, config, out, Encoders(config.encoders), world, say)
        self._normalizer = saved_normalizer(out, lambda: fit_normalizer(sets.motions, config.data.buckets.fps), world)
        self._files = {NORMALIZER_FILE: file_sha256(out / NORMALIZER_FILE)}
        self._null_LE = self._sources.texts.null().to(world.device)
        if self._null_LE.shape[1] != config.model.text_dim:
            raise UserError(
                f"the texts' tokens have {self._null_LE.shape[1]} numbers, the model's text_dim is "
                f"{config.model.text_dim}: choose encoders.text and the latents that go with the model"
            )
        self._model = world.wrap(start_model(config, resumed=last is not None), block_shapes(config))
        self._trainable = {name for name, parameter in named(self._model) if parameter.requires_grad}
        self._ema = Ema(named(self._model), config.ema.decay) if config.ema.decay else None
        self._validation = self._prepare(sets.paired) if config.validation.clips else None
        self._peak = peak_flops(world.device) * world.devices
        self.step = self._state.step if self._state else 0

    def close(self) -> None:
        if self._log:
            self._log.close()

    def go(self) -> Trained:
        if self._world.main:
            self._log = MetricsLog(self._out, self.step)
        first = PHASES.index(self._state.phase) if self._state else 0
        for name in PHASES[first:]:
            if not self._phase(name):
                return Trained(step=self.step, finished=False)
        return Trained(step=self.step, finished=self._last_validation())

    def _phase(self, name: str) -> bool:
        """Runs what is left of a phase; False where the run was told to stop."""
        phase: PhaseConfig = getattr(self._config.phases, name)
        done = self._state.phase_step if self._state else 0
        if done >= phase.steps and not self._resumes():
            return True
        for parameter_name, parameter in named(self._model):
            parameter.requires_grad_(parameter_name in self._trainable and self._trains(parameter_name, name))
        optimizer = make_optimizer(named(self._model), self._config.optimizer)
        source: Source = getattr(self._sources, name)(self._normalizer)
        if self._resumes():
            load_tensors(self._last, checkpoint_tensors(self._model, self._ema, optimizer))
            if self._ema:
                self._ema.updates = self._state.ema_updates
            source.load_state_dict(self._state.data)
            self._say(f"{self._out}: goes on from {self._last.name}")
        if self._world.main:  # only now: the settings of a run that can't go on are not the run's
            write_text(self._out / CONFIG_FILE, config_text(self._config))
        self._state = self._last = None
        if done < phase.steps:
            self._say(f"phase {PHASES.index(name) + 1}: steps {done + 1} to {phase.steps}")
        with closing(iter(source)) as batches:  # what reads ahead ends with it
            for phase_step in range(done, phase.steps):
                self._step(name, phase, phase_step, optimizer, batches)
                ends = phase_step + 1 == phase.steps
                saves = ends or self.step % self._config.checkpoint.every == 0
                if saves:
                    self._save(name, phase_step + 1, source, optimizer)
                last = ends and name == PHASES[-1]
                every = self._config.validation.every
                if self._validation and every and self.step % every == 0 and not last:
                    self._validate()
                if self._stopped():
                    if not saves:
                        self._save(name, phase_step + 1, source, optimizer)
                    return last
        return True

    def _prepare(self, dataset: Dataset) -> Validation:
        encoders = self._config.encoders
        if encoders.video == "vae" and not encoders.vae:
            raise UserError("validation.clips needs Wan's VAE: give its folder as encoders.vae, or set it to 0")
        return Validation(dataset, self._config, self._sources.video(), self._sources.texts, self._normalizer)

    def _stopped(self) -> bool:
        """Whether any process was told to stop; all find it at the same place."""
        return self._world.any(bool(self._stop))

    def _last_validation(self) -> bool:
        """Validates where that is not done yet; False where the run was told to stop before it was."""
        if self._validation is None or self._world.any(bool(self._log and self._log.validated(self.step))):
            return True
        return self._validate()

    def _validate(self) -> bool:
        """Samples with the average of the weights, where there is one. Every process takes part: each may hold a part
        of the weights. False where it was cut short, as the run was told to stop."""
        if self._ema:
            self._ema.swap(named(self._model))
        folder = self._out / VALIDATION_FOLDER / str(self.step) if self._world.main else None
        self._say(f"step {self.step}: samples of {len(self._validation.clips)} clips in the three modes")
        figures = self._validation.run(self._model, self._world.device, folder, self._stopped)
        if self._ema:
            self._ema.swap(named(self._model))
        if figures is not None:
            self._tell(figures)
        return figures is not None

    def _resumes(self) -> bool:
        return self._last is not None

    def _trains(self, parameter: str, phase: str) -> bool:
        if phase == "paired" or is_motion(parameter):
            return True
        return self._config.phases.motion.train_shared and parameter.startswith("condition_embedder.")

    def _step(
        self, name: str, phase: PhaseConfig, phase_step: int, optimizer: torch.optim.Optimizer, batches: Iterator[Given]
    ) -> None:
        began = time.perf_counter()
        rate = phase.rate(phase_step)
        set_rate(optimizer, rate)
        optimizer.zero_grad(set_to_none=True)
        losses, waited = [], 0.0
        most = max(getattr(self._config.phases, each).accumulate for each in PHASES)
        for micro in range(phase.accumulate):
            waits = time.perf_counter()
            given = next(batches).to(self._world.device)
            check_given(given, self._config)
            waited += time.perf_counter() - waits
            done = pass_loss(self._model, given, self._null_LE, self._config, self._world, self.step * most + micro)
            (done.loss / phase.accumulate).backward()
            losses.append(done)
        trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        norm = nn.utils.clip_grad_norm_(trained, self._config.optimizer.clip_norm)
        norm = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        if not math.isfinite(norm):
            last = next((path.name for path in reversed(checkpoints(self._out))), "none")
            raise UserError(
                f"step {self.step + 1}: the gradient is {norm}, so the run has diverged; lower phases.{name}."
                f"learning_rate and go on from the last checkpoint ({last})",
                EXIT_DEFECT,
            )
        optimizer.step()
        if self._ema:
            self._ema.update(named(self._model))
        self.step += 1
        seconds = time.perf_counter() - began
        if self.step % self._config.log.every == 0 or phase_step + 1 == phase.steps:
            metrics = {"phase": PHASES.index(name) + 1, "learning_rate": rate, "grad_norm": norm}
            metrics |= self._figures(losses, seconds) | {"step_seconds": seconds, "data_seconds": waited}
            self._tell(metrics)

    def _figures(self, losses: Sequence[PassLoss], seconds: float) -> dict[str, float]:
        """Losses over all passes and ranks, and how fast they were."""
        config, figures = self._config, {}
        for name in ("video", "motion"):
            said = [value for each in losses if (value := getattr(each, name)) is not None]
            if said:
                figures[f"loss_{name}"] = sum(said) / len(said)
        weighted = [
            config.loss.video * (each.video or 0.0) + config.loss.motion * (each.motion or 0.0) for each in losses
        ]
        tokens = sum(each.samples * (each.video_tokens + each.motion_tokens) for each in losses)
        flops = sum(
            each.samples
            * step_flops(
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

    def _tell(self, metrics: Mapping[str, float]) -> None:
        if self._log:
            self._log.write(self.step, metrics)
        if self._on_metrics:
            self._on_metrics(self.step, metrics)

    def _save(self, phase: str, phase_step: int, source: Source, optimizer: torch.optim.Optimizer) -> None:
        state = RunState(
            step=self.step,
            phase=phase,
            phase_step=phase_step,
            data=source.state_dict(),
            model=self._config.model.model_dump(mode="json"),
            lora=self._config.lora.model_dump(mode="json"),
            settings=_settings(self._config),
            files=self._files,
            ema_updates=self._ema.updates if self._ema else 0,
        )
        tensors = checkpoint_tensors(self._model, self._ema, optimizer)
        save_checkpoint(self._out, state, tensors, self._config.checkpoint.keep, self._world)


def _settings(config: TrainConfig) -> dict[str, Any]:
    """Those that the keys of a checkpoint depend on, or what its weights have seen."""
    encoders = {f"encoders.{name}": getattr(config.encoders, name) for name in ("video", "text", "windows")}
    shared = {"phases.motion.train_shared": config.phases.motion.train_shared}
    return {"ema.decay": config.ema.decay} | shared | encoders
