"""Commands that make sample videos, and benchmarks that use them."""

from pathlib import Path
from typing import Annotated

import typer

from humove.errors import EXIT_DEFECT


def samples(folder: Annotated[Path, typer.Argument(help="Where to write the sample videos.")]) -> None:
    """Make sample videos: rendered people with known motion, one real video, and bad inputs of every kind."""
    from pipelines.progress import make_reporter
    from pipelines.samples.maker import make_samples

    make_samples(folder, report=make_reporter())


def render(
    bvh: Annotated[Path, typer.Argument(help="A motion capture file.", metavar="FILE.bvh")],
    out: Annotated[Path, typer.Argument(help="The video to write.", metavar="OUT.mp4")],
    view: Annotated[float, typer.Option(help="Degrees around the person; 0 is frontal.")] = 0.0,
) -> None:
    """Render motion capture on the open body: OUT.mp4, and the true motion in OUT.truth.npz."""
    import numpy as np

    from pipelines.samples.film import render_bvh

    np.savez_compressed(out.with_suffix(".truth.npz"), **render_bvh(bvh, out, azimuth_deg=view))
    print(out)


def demo(out: Annotated[Path, typer.Argument(help="The data set's folder.")] = Path("out/demo")) -> None:
    """Run everything on sample videos: make them, build, verify, report, and measure the motion error."""
    from pipelines.jobs.demo import demo as run
    from pipelines.progress import make_reporter

    if not run(out, make_reporter()):
        raise typer.Exit(EXIT_DEFECT)


def bench(
    videos: Annotated[str, typer.Argument(help="Videos to measure with; empty: the sample videos.")] = "",
    out: Annotated[Path, typer.Option(help="A scratch folder, emptied first.")] = Path("out/bench"),
) -> None:
    """Measure CPU seconds per second of kept video, by kernel and in total, and the speed-up of two workers."""
    from pipelines.jobs.bench import bench as run

    run(videos, out)


def bench_scale(
    videos: Annotated[int, typer.Option(help="Videos of the synthetic state, five clips each.", min=100)] = 20_000,
    out: Annotated[Path, typer.Option(help="A scratch folder, emptied first.")] = Path("out/bench-scale"),
    samples: Annotated[str, typer.Option(help="Videos that are timed for the simulation; empty: sample videos.")] = "",
    plot: Annotated[Path | None, typer.Option(help="Where to write the scaling curve, an SVG.")] = None,
    workers: Annotated[int, typer.Option(help="Workers on each simulated machine.", min=1)] = 16,
) -> None:
    """Measure how the engine scales: driver, planning, assembly, and a simulation of up to 64 machines."""
    from pipelines.bench_scale.command import bench_scale as run

    for line in run(videos, out, samples, plot, workers):
        print(line, flush=True)
