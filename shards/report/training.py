"""What training will use, by the same rule that the loader goes by."""

from collections import Counter
from typing import Any

from shards.buckets import COLUMNS, BucketConfig, count_buckets
from shards.report.distribution import share
from shards.report.source import ReportSource


def training(source: ReportSource) -> dict[str, Any]:
    """By split, and in all: samples used, by bucket, and left out, by reason; `rule` is what they are counted by."""
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
        "used_share": share(used, len(source.index)),
        "left_out_count": left_out.total(),
        "buckets": dict(sorted(buckets.items(), key=lambda item: (-item[1], item[0]))),
        "left_out": dict(sorted(left_out.items(), key=lambda item: (-item[1], item[0]))),
        "splits": {split: dict(row) for split, row in counted.items()},
    }
