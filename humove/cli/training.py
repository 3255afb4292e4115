"""Commands that train, run and evaluate EchoMotion."""

import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from humove.cli.options import DataSet, Set
from humove.duration import format_duration
from humove.errors import EXIT_TOO_MANY_FAULTS, UserError

Run = Annotated[Path, typer.Argument(help="A training run's folder.", metavar="RUN")]
Checkpoint = Annotated[str | None, typer.Option(help="A checkpoint's name or step; default: the last one.")]
Steps = Annotated[int | None, typer.Option(help="Sampling steps; default: the run's own.")]
TextGuidance = Annotated[
    float | None, typer.Option("--text-guidance-scale", "--w1", help="Guidance by the text; 1: none.")
]
ConditionGuidance = Annotated[
    float | None,
    typer.Option("--condition-guidance-scale", "--w2", help="Guidance by the given motion or video; 1: none."),
]
BodyModels = Annotated[Path | None, typer.Option(help="Your SMPL+H files, for the true bodies of AMASS files.")]
UseEma = Annotated[bool, typer.Option("--ema/--no-ema", help="Use the averaged weights, or the last ones.")]


def train(
    dataset: DataSet,
    out: Annotated[
        str, typer.Argument(help="The run's folder on this machine; an existing run is resumed.", metavar="OUT")
    ],
    preset: Annotated[str, typer.Option(help="tiny, wan2.1-1.3b, wan2.2-5b, or a path to a YAML.")] = "tiny",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, as in phases.paired.steps=100.", metavar="K=V")
    ] = None,
    motion_only: Annotated[
        list[str] | None, typer.Option(help="A motion-only set for phase 1, from `humove import-motion`.")
    ] = None,
    address: Annotated[str, typer.Option(help="A running Ray cluster: auto, or HOST:6379.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be read and left out, and why. Needs no GPU or weights.")
    ] = False,
) -> None:
    """Train EchoMotion: phase 1 on motion, phase 2 on video and motion. Run it again to resume after a stop."""
    from echomotion_model.train.config import load_train_config
    from echomotion_model.train.dry_run import dry_run as plan
    from echomotion_model.train.parallel.launch import launch

    if "://" in out:
        raise UserError(
            f"OUT={out}: a run writes its checkpoints into a folder; give a folder of this machine, or on a Ray "
            "cluster a shared one, and copy the finished run to the store"
        )
    config, run = load_train_config(preset, set_ or []), Path(out)
    if dry_run:
        print("\n".join(plan(config, dataset, motion_only or ()).lines))
        return
    progress = _TrainingProgress(config.phases.motion.steps + config.phases.paired.steps)
    trained = launch(
        config, dataset, run, motion_only=motion_only or (), address=address, on_metrics=progress, say=print_note
    )
    if not trained.finished:
        print(f"{run}: stopped after step {trained.step}, and saved: run the same command to resume")
        raise typer.Exit(130)
    print(f"{run}: {trained.step} steps done; view it with humove view {run}")


def latents(
    dataset: DataSet,
    preset: Annotated[str, typer.Option(help="The training preset that will read them.")] = "tiny",
    set_: Set = None,
    out: Annotated[str, typer.Option(help="A folder or URL to write to; empty: DATASET/latents.")] = "",
    windows: Annotated[
        int | None,
        typer.Option(
            help="Time windows of each clip; default: the preset's encoders.windows, or 1. Time and storage grow with "
            "them; training cycles through them, and with 1 always uses the same part of a clip."
        ),
    ] = None,
    dtype: Annotated[str, typer.Option(help="Type of the stored numbers: float16, bfloat16 or float32.")] = "float16",
    gpus: Annotated[float, typer.Option(help="Share of a GPU for each worker; 0: use the CPU.", min=0, max=1)] = 0.0,
    executor: Annotated[str, typer.Option(help="local or ray.")] = "local",
    workers: Annotated[int, typer.Option(help="Worker processes; 0: one per core, or the whole cluster.")] = 0,
    address: Annotated[str, typer.Option(help="A running Ray cluster.")] = "",
) -> None:
    """Encode videos and captions ahead of training. Only missing or stale latents are encoded."""
    from echomotion_model.latents.config import LatentsSettings
    from echomotion_model.latents.plan import get_default_out, plan_latents
    from echomotion_model.latents.stage import EncodeShard
    from echomotion_model.train.config import load_train_config
    from echomotion_model.train.inputs.encoders import Encoders
    from humove.config.settings import parse_config
    from humove.stage import Resources
    from pipelines.config import load_config
    from pipelines.engine.executors.make import make_executor
    from pipelines.engine.executors.run_tasks import run_tasks
    from pipelines.engine.executors.task import Fault, Task
    from pipelines.progress import make_reporter

    training = load_train_config(preset, set_ or [])
    load, data = Encoders(training.encoders), training.data
    windows = windows if windows is not None else training.encoders.windows or 1
    settings = {"buckets": data.buckets, "seed": data.seed, "windows": windows, "dtype": dtype}
    settings, place = parse_config(LatentsSettings, settings), out or get_default_out(dataset)
    stage = EncodeShard(load, device="cuda" if gpus else "cpu", resources=Resources(gpus=gpus))
    flags = {"executor": executor, "workers": workers, "address": address}
    execution = load_config("local", [f"execution.{name}={value}" for name, value in flags.items() if value]).execution
    report, faults = make_reporter(), []
    run = make_executor(execution, report.say)
    try:
        plan = plan_latents(dataset, place, settings, load.compute_ids())
        print(plan.format_summary())
        tasks = [
            Task(task_id=job.name, label=job.name, stage=stage, payload=job, weight=job.num_samples)
            for job in plan.jobs
        ]
        report.start("latents", len(tasks), sum(task.weight for task in tasks))
        for done in run_tasks(run, tasks):
            faulted = isinstance(done.result, Fault)
            faults += [f"{done.task.label}: {done.result.error}"] if faulted else []
            report.advance(done.task.weight, "faulted" if faulted else "done")
    finally:
        report.finish()
        run.close()
    for line in faults:
        print(f"fault: {line}")
    if faults:
        raise typer.Exit(EXIT_TOO_MANY_FAULTS)


def generate(
    run: Run,
    mode: Annotated[str, typer.Argument(help="joint, motion-to-video or video-to-motion.", metavar="MODE")],
    out: Annotated[Path, typer.Option(help="The folder for video.mp4, motion.npz and beside.mp4.")] = Path("out/made"),
    text: Annotated[str | None, typer.Option(help="What the person does.")] = None,
    video: Annotated[Path | None, typer.Option(help="Your video, for video-to-motion.")] = None,
    motion: Annotated[
        Path | None, typer.Option(help="A motion.npz, an AMASS npz or a BVH, for motion-to-video.")
    ] = None,
    motion_fps: Annotated[
        float | None, typer.Option(help="Frames per second of a data set's motion.npz, which does not hold it.")
    ] = None,
    body_models: BodyModels = None,
    dataset: Annotated[str | None, typer.Option(help="A data set, whose sample --key is the condition.")] = None,
    key: Annotated[str | None, typer.Option(help="The sample's key.")] = None,
    checkpoint: Checkpoint = None,
    seed: int = 0,
    steps: Steps = None,
    text_guidance_scale: TextGuidance = None,
    condition_guidance_scale: ConditionGuidance = None,
    ema: UseEma = True,
) -> None:
    """Generate video and motion from text, video from motion, or motion from video."""
    from echomotion_model.generate import generate as make

    made = make(
        run, mode, out=out, text=text, video=video, motion=motion, motion_fps=motion_fps, body_models=body_models,
        dataset=dataset, key=key, checkpoint=checkpoint, seed=seed, steps=steps,
        text_guidance_scale=text_guidance_scale, condition_guidance_scale=condition_guidance_scale, use_ema=ema,
        on_note=print_note,
    )  # fmt: skip
    for path in (made.video, made.motion, made.beside):
        print(path)


def export(
    run: Run,
    out: Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")],
    checkpoint: Checkpoint = None,
    ema: UseEma = True,
) -> None:
    """Write a run's weights in diffusers' layout: the video branch as Wan's, the motion branch beside it."""
    from echomotion_model.export import export_run

    written = export_run(run, out, checkpoint=checkpoint, use_ema=ema, on_note=print_note)
    print(f"{out}: the {'averaged' if written.averaged else 'last'} weights of {written.checkpoint.name}")


def bench_model(
    preset: Annotated[str, typer.Argument(help="tiny, wan2.1-1.3b or wan2.2-5b.")] = "wan2.1-1.3b",
    steps: Annotated[int, typer.Option(help="Number of timed steps.", min=1)] = 5,
) -> None:
    """Time a preset's training step and diffusers' own, with the share of the device's peak (MFU)."""
    from echomotion_model.bench import bench_model as run
    from echomotion_model.bench import format_timing

    run(preset, steps=steps, on_timing=lambda timing: print(format_timing(timing), flush=True))


def import_motion(
    source: Annotated[Path, typer.Argument(help="A folder of AMASS npz, HumanML3D or BVH files.")],
    out: Annotated[Path, typer.Argument(help="The new set's folder.")],
    kind: Annotated[str, typer.Option(help="auto, amass, humanml3d or bvh.")] = "auto",
    amass: Annotated[Path | None, typer.Option(help="AMASS's folder, to which HumanML3D's index refers.")] = None,
    body_models: BodyModels = None,
    licence: Annotated[str, typer.Option(help="The files' licence, if it is not the collection's own.")] = "",
) -> None:
    """Convert motion capture to a motion-only set, for phase 1 of training."""
    from echomotion_model.importing.run import import_motion as run

    def print_progress(done: int, of: int) -> None:
        if done % 100 == 0 or done == of:
            print_note(f"{done} of {of} files")

    found = run(source, out, kind, amass=amass, body_models=body_models, licence=licence, progress=print_progress)
    print("\n".join(found.format_lines()))


def evaluate_model(
    run: Run,
    dataset: DataSet,
    split: Annotated[str, typer.Option(help="The split to evaluate on; any but train is held out.")] = "val",
    training: Annotated[
        str | None, typer.Option(help="The data set that the run was trained on, if it is not DATASET.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of clips, spread over the split.")] = 16,
    samples: Annotated[
        Path | None, typer.Option(help="A folder for videos of some clips: input, output, ground truth.")
    ] = None,
    checkpoint: Checkpoint = None,
    seed: int = 0,
    steps: Steps = None,
    text_guidance_scale: TextGuidance = None,
    condition_guidance_scale: ConditionGuidance = None,
    ema: UseEma = True,
) -> None:
    """Evaluate a run: motion from video, video from motion, and joint samples, beside simple baselines."""
    from echomotion_model.evaluate import evaluate
    from echomotion_model.evaluation.lines import format_evaluation

    detect = None
    try:
        from annotators.blazepose.frame_keypoints import FrameKeypoints

        detect = FrameKeypoints()
    except UserError as error:
        print_note(f"no keypoints in generated video: {error}")
    found = evaluate(
        run, dataset, split, training=training, limit=limit, seed=seed, checkpoint=checkpoint, steps=steps,
        text_guidance_scale=text_guidance_scale, condition_guidance_scale=condition_guidance_scale, use_ema=ema,
        detect=detect, samples=samples,
        progress=lambda what, done, of: print_note(f"{what}: {done} of {of}"),
    )  # fmt: skip
    print("\n".join(format_evaluation(found)))
    if samples is not None:
        print(f"videos: {samples}")


def print_note(line: str) -> None:
    """Print a line that is no result to stderr."""
    print(line, file=sys.stderr, flush=True)


class _TrainingProgress:
    """Prints a run's metrics, and the time left at its present speed."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._step_times: deque[tuple[int, float]] = deque(maxlen=50)

    def __call__(self, step: int, figures: Mapping[str, float]) -> None:
        validation = {name.removeprefix("validation/"): value for name, value in figures.items() if "/" in name}
        if validation:
            print_note(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in validation.items()))
            return
        self._step_times.append((step, time.monotonic()))
        shown = [name for name in ("loss", "step_seconds", "mfu") if name in figures]
        metrics = ", ".join(f"{name} {figures[name]:.4g}" for name in shown)
        print_note(f"step {step} of {self._steps}: {metrics}{self._format_time_left(step)}")

    def _format_time_left(self, step: int) -> str:
        first, began = self._step_times[0]
        if step == first:
            return ""
        pace = (time.monotonic() - began) / (step - first)
        return f", about {format_duration(pace * (self._steps - step))} left"
