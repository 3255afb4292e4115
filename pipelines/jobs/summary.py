"""A build in one screen of text: the funnel with its reasons, and where the data lies."""

from collections import Counter
from pathlib import Path

from shards.documents import DatasetDoc
from shards.reader import open_dataset

_UNIT_OF = {"ingest": "videos", "scan": "videos", "split": "videos", "clip": "shots"}


def summary(out: Path, doc: DatasetDoc) -> str:
    """The funnel: at each stage what entered, what went on, and why the rest did not."""
    dataset = open_dataset(str(out))
    reasons: dict[str, Counter] = {}
    for row in dataset.outcomes():
        if row.reason:
            reasons.setdefault(row.stage, Counter())[row.reason] += 1
    lines = ["", f"{'stage':<16} {'unit':<7} {'in':>7} {'on':>7}  left behind"]
    for stage, c in doc.counts.items():
        why = ", ".join(f"{n} {reason}" for reason, n in reasons.get(stage, Counter()).most_common())
        lines.append(f"{stage:<16} {_UNIT_OF.get(stage, 'clips'):<7} {c.inputs:>7} {c.emitted:>7}  {why}".rstrip())
    seconds = sum(row["duration_s"] for row in dataset.index_rows(["duration_s"]))
    size = sum(row.bytes for row in doc.shards) / 1e6
    splits = ", ".join(f"{name} {row.num_samples}" for name, row in doc.splits.items())
    lines += [
        "",
        f"{len(dataset)} samples ({splits}), {_time(seconds)} of video, {size:.1f} MB in {len(doc.shards)} shards",
        f"{out}/shards    what was dropped, and why: humove outcomes {out}",
    ]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.1f} s"
