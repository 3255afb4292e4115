"""`make demo`: a build of rendered videos, and the errors of the motion against the ground truth."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from pipelines.config import load_config
from pipelines.engine.build_progress import ProgressLine
from pipelines.jobs.build import build
from pipelines.jobs.report import report as write_report
from pipelines.jobs.summary import format_summary
from pipelines.progress import Reporter
from pipelines.samples.maker import get_truth_path, make_samples
from pipelines.samples.score import compute_errors
from shards.reader import Dataset, open_dataset
from shards.verify import verify

_FIGURES = ("pa_mpjpe_mm", "mpjpe_mm", "acceleration_mm")


def demo(out: Path, report: Reporter) -> bool:
    """Make `OUT-videos`, build OUT from it, verify, print the summary; return whether the data set is sound."""
    videos = out.with_name(f"{out.name}-videos")
    make_samples(videos, report=report)
    built = build(load_config("local", []), str(videos), out, ProgressLine())
    report.say("verifying")
    defects = verify(str(out), workers=2)
    for defect in defects:
        print(defect)
    dataset = open_dataset(str(out))
    print(format_summary(out, built.doc))
    print(f"\nmotion errors against the ground truth of the rendered clips\n{format_error_table(dataset, videos)}")
    print(f"\nthe report: {write_report(str(out), None, report.say)}")
    print(f"view every clip: .venv/bin/humove view {out}")
    print(f"draw one: .venv/bin/humove inspect {out} {dataset.keys()[0]}")
    print(f"{out} is {'sound' if not defects else f'not sound: {len(defects)} defects'}")
    return not defects


def format_error_table(dataset: Dataset, videos: Path) -> str:
    """Format the mean errors by view, over the samples whose ground truth is in the videos' folder."""
    by_view: dict[str, list[dict[str, float]]] = defaultdict(list)
    for sample in dataset.iterate_samples():
        path = get_truth_path(videos, sample.meta["uri"])
        if not path.exists():
            continue
        with np.load(path, allow_pickle=False) as truth:
            figures = compute_errors(sample.motion.joints, sample.motion.source_frames, truth["joints"])
            by_view[str(truth["view"])].append(figures)
    lines = [f"{'view':<10} {'clips':>5} {'PA-MPJPE mm':>12} {'MPJPE mm':>9} {'acceleration mm/frame^2':>24}"]
    for view in sorted(by_view):
        pa, plain, acceleration = (np.mean([f[name] for f in by_view[view]]) for name in _FIGURES)
        lines.append(f"{view:<10} {len(by_view[view]):>5} {pa:>12.0f} {plain:>9.0f} {acceleration:>24.1f}")
    return "\n".join(lines)
