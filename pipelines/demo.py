"""`make demo`: the whole job on videos that the machine makes itself, and how far the motion is from its truth."""

from pathlib import Path

from pipelines.build import build
from pipelines.config import load_config
from pipelines.progress import Reporter
from pipelines.samples.maker import make_samples
from pipelines.samples.score import errors_by_view, table
from pipelines.summary import summary
from shards.reader import open_dataset
from shards.verify import verify

VIDEOS = "videos"
_MARK = ".complete"


def demo(out: Path, report: Reporter) -> bool:
    """Makes `out`-videos, builds `out`, verifies it, prints the summary; whether the data set is sound."""
    videos = out.with_name(f"{out.name}-{VIDEOS}")
    if not (videos / _MARK).exists():
        make_samples(videos, report=report)
        (videos / _MARK).touch()
    built = build(load_config("local", []), str(videos), out, report)
    report.say("verifying")
    defects = verify(str(out), workers=2)
    for defect in defects:
        print(defect)
    print(summary(out, built.doc))
    print()
    print(table(errors_by_view(open_dataset(str(out)), videos)))
    keys = open_dataset(str(out)).keys()
    print(f"\nlook at one: .venv/bin/humove inspect {out} {keys[0]}")
    print(f"{out} is {'sound' if not defects else f'not sound: {len(defects)} defects'}")
    return not defects
