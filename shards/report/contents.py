"""What the samples show and how large they are: categories, captions, lengths, sizes, rates, splits."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from shards.caption_twins import caption_twins
from shards.format import SPLITS
from shards.report.distribution import distribution, share, tidy, weighted_top
from shards.report.source import NOT_STATED, ReportSource

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SMALL_WORDS = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "her", "his", "in", "into", "is", "it",
    "its", "of", "off", "on", "or", "over", "she", "he", "that", "the", "their", "them", "then", "there", "they",
    "this", "to", "up", "was", "while", "who", "with",
})  # fmt: skip
_MOST_WORDS, _MOST_CAPTIONS, _MOST_SIZES = 48, 10, 16


def categories(source: ReportSource) -> dict[str, Any]:
    """Samples and hours by category."""
    index = source.index
    named = index["category"].fillna("").replace("", NOT_STATED)
    found = index.groupby(named)["duration_s"].agg(["size", "sum"])
    order = sorted(found.index, key=lambda name: (-int(found.at[name, "size"]), name))
    groups = {
        name: {
            "samples": int(found.at[name, "size"]),
            "share": share(int(found.at[name, "size"]), len(index)),
            "hours": tidy(found.at[name, "sum"] / 3600),
        }
        for name in order
    }
    return {"count": len(groups), "groups": groups, "said_by": dict(source.tally.category_sources.most_common())}


def captions(source: ReportSource) -> dict[str, Any]:
    """How long the captions are, how many differ, how many say nearly what another says, which words they use."""
    texts: list[str] = source.index["caption"].fillna("").astype(str).tolist()
    found = [_WORD.findall(text.lower()) for text in texts]
    words = Counter(word for each in found for word in set(each) if word not in _SMALL_WORDS and len(word) > 1)
    same = Counter(text for text in texts if text)
    top = weighted_top(same, _MOST_CAPTIONS)
    twins = caption_twins(texts)
    return {
        "count": len(texts),
        "empty": len(texts) - same.total(),
        "distinct": len(same),
        "distinct_share": share(len(same), same.total()),
        "near_duplicates": len(twins),
        "near_duplicate_share": share(len(twins), same.total()),
        "alike": [
            {"text": texts[t.place], "like": texts[t.earlier], "similarity": tidy(t.similarity)}
            for t in sorted(twins, key=lambda t: -t.similarity)
            if texts[t.place] != texts[t.earlier]
        ][:_MOST_CAPTIONS],
        "commonest_share": share(top[0][1], same.total()) if top else None,
        "vocabulary": len({word for each in found for word in each}),
        "words": distribution(np.array([len(each) for each in found]), whole=True),
        "letters": distribution(np.array([len(text) for text in texts]), whole=True),
        "top_words": [
            {"word": word, "clips": clips, "share": share(clips, len(texts))}
            for word, clips in weighted_top(words, _MOST_WORDS)
        ],
        "repeated": [{"text": text, "clips": clips} for text, clips in top if clips > 1],
        "said_by": dict(source.tally.caption_sources.most_common()),
    }


def shape(source: ReportSource) -> dict[str, Any]:
    """Frames, durations, sizes and rates of the samples."""
    index = source.index
    sizes = Counter(f"{w}x{h}" for w, h in zip(index["width"], index["height"], strict=True))
    rates = Counter(f"{rate:.5g}" for rate in index["fps"])
    return {
        "frames": distribution(index["num_frames"].to_numpy(), whole=True),
        "duration_s": distribution(index["duration_s"].to_numpy()),
        "short_side": distribution(index[["width", "height"]].min(axis=1).to_numpy(), whole=True),
        "aspect": distribution((index["width"] / index["height"]).to_numpy()),
        "mp4_bytes": distribution(index["mp4_bytes"].to_numpy()),
        "megabits_per_s": distribution((index["mp4_bytes"] * 8e-6 / index["duration_s"]).to_numpy()),
        "sizes": dict(weighted_top(sizes, _MOST_SIZES)),
        "other_sizes": sum(clips for _, clips in weighted_top(sizes, len(sizes))[_MOST_SIZES:]),
        "fps": dict(weighted_top(rates, _MOST_SIZES)),
        "other_fps": sum(clips for _, clips in weighted_top(rates, len(rates))[_MOST_SIZES:]),
    }


def splits(source: ReportSource) -> dict[str, Any]:
    """Samples, videos and hours by split; shared_videos counts the videos that are in more than one."""
    index = source.index
    names = [*SPLITS, *sorted(set(index["split"]) - set(SPLITS))]
    found = {}
    for name in names:
        rows = index[index["split"] == name]
        found[name] = {
            "samples": len(rows),
            "share": share(len(rows), len(index)),
            "videos": int(rows["video_id"].nunique()),
            "frames": int(rows["num_frames"].sum()),
            "hours": tidy(rows["duration_s"].sum() / 3600),
            "categories": int(rows["category"].nunique()),
        }
    shared = int((index.groupby("video_id")["split"].nunique() > 1).sum()) if len(index) else 0
    return {"groups": found, "shared_videos": shared}


def headline(source: ReportSource) -> dict[str, Any]:
    """The figures that everyone asks for first."""
    index, outcomes, doc = source.index, source.outcomes, source.doc
    videos = outcomes[outcomes["unit"] == "video"]
    clips = outcomes[outcomes["unit"] == "clip"]
    seconds = float(index["duration_s"].sum())
    seen = float((videos["end_s"] - videos["start_s"]).sum())
    valid = index.get("valid_share", pd.Series(dtype=float))
    known = len(index) > 0 and len(valid) > 0 and bool(valid.notna().all())
    by_video = index.groupby("video_id")["duration_s"].sum() if len(index) else pd.Series(dtype=float)
    return {
        "samples": len(index),
        "hours": tidy(seconds / 3600),
        "motion_hours": tidy(float((valid * index["duration_s"]).sum()) / 3600) if known else None,
        "frames": int(index["num_frames"].sum()),
        "sources": int(index["video_id"].nunique()),
        "bytes": sum(row.bytes for row in doc.shards),
        "shards": len(doc.shards),
        "batches": len(doc.batches),
        "inputs": len(videos),
        "input_hours": tidy(seen / 3600),
        "clips": len(clips),
        "clips_kept_share": share(int((clips["outcome"] == "kept").sum()), len(clips)),
        "hours_kept_share": share(seconds, seen),
        "rejected_clips": int((clips["outcome"] == "rejected").sum()),
        "faulted": int((outcomes["outcome"] == "faulted").sum()),
        "largest_video_share": share(float(by_video.max()), seconds) if len(by_video) else None,
    }
