"""Figures of the samples that training will use, by the loader's rule."""

from collections import Counter
from typing import Any

from shards.buckets import COLUMNS, BucketConfig, count_buckets
from shards.report.drawing.distribution import compute_share
from shards.report.source import ReportSource


def summarize_training(source: ReportSource) -> dict[str, Any]:
    """Count the samples used by bucket and left out by reason, in total and by split; `rule` is the bucket config."""
    config = BucketConfig()
    counted = count_buckets(source.index[list(COLUMNS)].to_dict("records"), config)
    buckets, left_out = Counter(), Counter()
    for row in counted.values():
        buckets.update(row["buckets"])
        left_out.update(row["left_out"])
    used = buckets.total()
    return {
        "rule": config.model_dump(mode="json"),
        "used": used,
        "used_share": compute_share(used, len(source.index)),
        "left_out_count": left_out.total(),
        "buckets": dict(sorted(buckets.items(), key=lambda item: (-item[1], item[0]))),
        "left_out": dict(sorted(left_out.items(), key=lambda item: (-item[1], item[0]))),
        "splits": {split: dict(row) for split, row in counted.items()},
    }
