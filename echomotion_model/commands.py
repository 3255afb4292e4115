"""Commands that need the model and data sets alone; `humove.cli` puts them beside the others."""

import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from humove.duration import duration
from humove.errors import UserError

Run = Annotated[Path, typer.Argument(help="A training run's folder.", metavar="RUN")]
DataSet = Annotated[str, typer.Argument(help="A data set's folder or URL.", metavar="DATASET")]
Checkpoint = Annotated[str | None, typer.Option(help="A checkpoint's name or step; the last one where none is given.")]
Steps = Annotated[int | None, typer.Option(help="Sampling steps; the run's own where none is given.")]
TextGuidance = Annotated[float | None, typer.Option("--w1", help="Guidance by the text.")]
ConditionGuidance = Annotated[float | None, typer.Option("--w2", help="Guidance by the given motion or video.")]
BodyModels = Annotated[Path | None, typer.Option(help="SMPL+H files of one's own, for true bodies of AMASS files.")]
Averaged = Annotated[bool, typer.Option("--ema/--no-ema", help="The averaged weights, or the last ones.")]


def train(
    dataset: DataSet,
    out: Annotated[
        str, typer.Argument(help="The run's folder on this machine; a run that is there goes on.", metavar="OUT")
    ],
    preset: Annotated[str, typer.Option(help="tiny, wan2.1-1.3b, wan2.2-5b, or a path to a YAML.")] = "tiny",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, as in phases.paired.steps=100.", metavar="K=V")
    ] = None,
    motion_only: Annotated[
        list[str] | None, typer.Option(help="A set of motion alone, for phase 1, from `humove import-motion`.")
    ] = None,
    address: Annotated[str, typer.Option(help="A running Ray cluster: auto, or HOST:6379.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read and left out, and why. No GPU, no weights.")
    ] = False,
) -> None:
    """Trains EchoMotion: phase 1 on motion, phase 2 on video and motion. Run it again to go on after a stop."""
    from echomotion_model.train.config import load_train_config
    from echomotion_model.train.dry_run import dry_run as plan
    from echomotion_model.train.parallel.launch import launch

    if "://" in out:
        raise UserError(
            f"OUT={out}: a run writes its checkpoints into a folder; give a folder of this machine, or on a Ray "
            "cluster one that all machines see, and copy the finished run to the store"
        )
    config, run = load_train_config(preset, set_ or []), Path(out)
    if dry_run:
        print("\n".join(plan(config, dataset, motion_only or ()).lines))
        return
    teller = _Teller(config.phases.motion.steps + config.phases.paired.steps)
    trained = launch(config, dataset, run, motion_only=motion_only or (), address=address, on_metrics=teller, say=say)
    if not trained.finished:
        print(f"{run}: stopped after step {trained.step}, and saved: the same command goes on")
        raise typer.Exit(130)
    print(f"{run}: {trained.step} steps done; look at it: humove view {run}")


def generate(
    run: Run,
    mode: Annotated[str, typer.Argument(help="joint, motion-to-video or video-to-motion.", metavar="MODE")],
    out: Annotated[Path, typer.Option(help="The folder for video.mp4, motion.npz and beside.mp4.")] = Path("out/made"),
    text: Annotated[str | None, typer.Option(help="What the person does.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video of one's own, for video-to-motion.")] = None,
    motion: Annotated[
        Path | None, typer.Option(help="A motion.npz, an AMASS npz or a BVH, for motion-to-video.")
    ] = None,
    motion_fps: Annotated[
        float | None, typer.Option(help="Frames a second of a data set's motion.npz, which does not say it.")
    ] = None,
    body_models: BodyModels = None,
    dataset: Annotated[str | None, typer.Option(help="A data set, whose sample --key is the condition.")] = None,
    key: Annotated[str | None, typer.Option(help="The sample's key.")] = None,
    checkpoint: Checkpoint = None,
    seed: int = 0,
    steps: Steps = None,
    w1: TextGuidance = None,
    w2: ConditionGuidance = None,
    ema: Averaged = True,
) -> None:
    """Makes video and motion from text, video from motion, or motion from video."""
    from echomotion_model.generate import generate as make

    made = make(
        run, mode, out=out, text=text, video=video, motion=motion, motion_fps=motion_fps, body_models=body_models,
        dataset=dataset, key=key, checkpoint=checkpoint, seed=seed, steps=steps, w1=w1, w2=w2, use_ema=ema, on_note=say,
    )  # fmt: skip
    for path in (made.video, made.motion, made.beside):
        print(path)


def export(
    run: Run,
    out: Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")],
    checkpoint: Checkpoint = None,
    ema: Averaged = True,
) -> None:
    """Writes a run's weights in diffusers' layout: the video branch as Wan's, the motion beside it."""
    from echomotion_model.export import export_run

    written = export_run(run, out, checkpoint=checkpoint, use_ema=ema, on_note=say)
    print(f"{out}: the {'averaged' if written.averaged else 'last'} weights of {written.checkpoint.name}")


def bench_model(
    preset: Annotated[str, typer.Argument(help="tiny, wan2.1-1.3b or wan2.2-5b.")] = "wan2.1-1.3b",
    steps: Annotated[int, typer.Option(help="Steps timed.", min=1)] = 5,
) -> None:
    """Times a training step of a preset beside diffusers' own, with its share of the device's peak."""
    from echomotion_model.bench import bench_model as run
    from echomotion_model.bench import timing_line

    run(preset, steps=steps, on_timing=lambda timing: print(timing_line(timing), flush=True))


def import_motion(
    source: Annotated[Path, typer.Argument(help="A folder of AMASS npz, HumanML3D or BVH files.")],
    out: Annotated[Path, typer.Argument(help="The new set's folder.")],
    kind: Annotated[str, typer.Option(help="auto, amass, humanml3d or bvh.")] = "auto",
    amass: Annotated[Path | None, typer.Option(help="AMASS's folder, which HumanML3D's index names.")] = None,
    body_models: BodyModels = None,
    licence: Annotated[str, typer.Option(help="What to note of the files, where it isn't the collection's own.")] = "",
) -> None:
    """Turns motion capture into a set of motion alone, for phase 1 of training."""
    from echomotion_model.importing.run import import_motion as run

    def tell(done: int, of: int) -> None:
        if done % 100 == 0 or done == of:
            say(f"{done} of {of} files")

    found = run(source, out, kind, amass=amass, body_models=body_models, licence=licence, progress=tell)
    print("\n".join(found.lines()))


COMMANDS = (train, generate, export, bench_model, import_motion)


def say(line: str) -> None:
    """Tells the user a line that is no result."""
    print(line, file=sys.stderr, flush=True)


class _Teller:
    """Tells how a run goes, and how long it will at its present pace."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._seen: deque[tuple[int, float]] = deque(maxlen=50)

    def __call__(self, step: int, figures: Mapping[str, float]) -> None:
        found = {name.removeprefix("validation/"): value for name, value in figures.items() if "/" in name}
        if found:
            say(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))
            return
        self._seen.append((step, time.monotonic()))
        told = ", ".join(f"{name} {figures[name]:.4g}" for name in ("loss", "step_seconds", "mfu") if name in figures)
        say(f"step {step} of {self._steps}: {told}{self._left(step)}")

    def _left(self, step: int) -> str:
        first, began = self._seen[0]
        if step == first:
            return ""
        pace = (time.monotonic() - began) / (step - first)
        return f", about {duration(pace * (self._steps - step))} left"
