"""Commands that check, show and compare finished data sets."""

from pathlib import Path
from typing import Annotated

import typer

from humove.cli.options import DataSet, escape_controls
from humove.errors import EXIT_DEFECT


def verify(
    dataset: DataSet,
    quick: Annotated[bool, typer.Option("--quick", help="Decode no video; check everything else.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that read shards.")] = 2,
) -> None:
    """Check a data set against the format, from its files alone. Exits with 5 if it has defects."""
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


def report(
    dataset: DataSet,
    out: Annotated[Path | None, typer.Option(help="The report's folder; default: DATASET/report.")] = None,
    gate: Annotated[
        Path | None, typer.Option(help="A YAML of bounds on figures of report.json, as in headline.samples: {min: 9}.")
    ] = None,
) -> None:
    """Write index.html, a self-contained page, and report.json. Exits with 5 if a figure is outside a gate."""
    from pipelines.jobs.report import report as run
    from pipelines.progress import make_reporter
    from shards.report.build import read_figures
    from shards.report.gates import check_gates, read_gates

    if gate is not None:
        read_gates(gate)  # report its errors before the work
    page = run(dataset, out, make_reporter().say)
    print(page)
    if gate is None:
        return
    broken = check_gates(read_figures(page), gate)
    for line in broken:
        print(f"gate: {line}")
    if broken:
        raise typer.Exit(EXIT_DEFECT)
    print(f"{gate}: every gate holds")


def diff(
    a: Annotated[str, typer.Argument(help="A data set's folder or URL.", metavar="A")],
    b: Annotated[str, typer.Argument(help="Another data set's folder or URL.", metavar="B")],
    all_: Annotated[bool, typer.Option("--all", help="List every difference, not the first 20 of each kind.")] = False,
) -> None:
    """Compare two builds: samples added, removed and changed, settings and figures that differ."""
    from shards.report.diff import compare_datasets as run

    for line in run(a, b).lines(None if all_ else 20):
        print(line)


def view(
    path: Annotated[str, typer.Argument(help="A data set, finished or still building, or a training run.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0: a free one.")] = 8710,
) -> None:
    """Serve the explorer: every clip, kept or dropped and why, its motion, and adjustable thresholds."""
    import tempfile
    from contextlib import suppress

    from pipelines.jobs.explore import open_explorer
    from shards.explorer.app import serve

    with tempfile.TemporaryDirectory() as scratch, suppress(KeyboardInterrupt):
        serve(
            open_explorer(path, Path(scratch)), port, lambda url: print(f"{path}: {url} (Ctrl-C ends it)", flush=True)
        )


def inspect(
    dataset: DataSet,
    key: Annotated[str, typer.Argument(help="A sample's key; see the index, or `humove outcomes`.")],
    out: Annotated[Path, typer.Option(help="Where to write the overlay video and the strip.")] = Path("out/inspect"),
) -> None:
    """Draw the body over the person: writes KEY.mp4 and KEY.png."""
    from shards.inspect import inspect as run

    for path in run(str(dataset), key, out):
        print(path)


def outcomes(
    dataset: DataSet,
    kept: Annotated[bool, typer.Option("--kept", help="List kept clips only.")] = False,
) -> None:
    """List the outcome of every video, shot and clip, with the reason."""
    from shards.reader import open_dataset

    for row in open_dataset(str(dataset)).iterate_outcomes():
        if kept and row.outcome != "kept":
            continue
        span = "" if row.start_s is None or row.unit == "video" else f" {row.start_s:.1f}-{row.end_s:.1f} s"
        why = f": {row.reason} at {row.stage}: {row.detail}" if row.reason else ""
        print(escape_controls(f"{row.outcome:<8} {row.unit:<5} {row.uri}{span} {row.clip_id}{why}"))
