"""A summary of a build: the funnel with its reasons, and the location of the data."""

from collections import Counter
from pathlib import Path

from shards.reader import open_dataset
from shards.schemas import DatasetDoc

_UNIT_OF = {"ingest": "videos", "scan": "videos", "split": "videos", "clip": "shots"}


def format_summary(out: Path, doc: DatasetDoc) -> str:
    """Format the funnel: the units that entered and passed each stage, and why the others did not."""
    dataset = open_dataset(str(out))
    reasons: dict[str, Counter] = {}
    for row in dataset.iterate_outcomes():
        if row.reason:
            reasons.setdefault(row.stage, Counter())[row.reason] += 1
    lines = ["", f"{'stage':<16} {'unit':<7} {'in':>7} {'out':>7}  rejected"]
    for stage, c in doc.counts.items():
        why = ", ".join(f"{n} {reason}" for reason, n in reasons.get(stage, Counter()).most_common())
        lines.append(f"{stage:<16} {_UNIT_OF.get(stage, 'clips'):<7} {c.inputs:>7} {c.emitted:>7}  {why}".rstrip())
    seconds = sum(row["duration_s"] for row in dataset.iterate_index_rows(["duration_s"]))
    size = sum(row.bytes for row in doc.shards) / 1e6
    splits = ", ".join(f"{name} {row.num_samples}" for name, row in doc.splits.items())
    lines += [
        "",
        f"{len(dataset)} samples ({splits}), {_format_time(seconds)} of video, "
        f"{size:.1f} MB in {len(doc.shards)} shards",
        f"{out}/shards    dropped clips and reasons: humove outcomes {out}",
    ]
    return "\n".join(lines)


def _format_time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.1f} s"
