"""Figures of the samples: categories, captions, lengths, sizes, rates, splits."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from shards.card.caption_duplicates import find_duplicate_captions
from shards.format import SPLITS
from shards.report.drawing.distribution import compute_share, round_figure, select_largest, summarize_distribution
from shards.report.source import NOT_STATED, ReportSource

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SMALL_WORDS = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "her", "his", "in", "into", "is", "it",
    "its", "of", "off", "on", "or", "over", "she", "he", "that", "the", "their", "them", "then", "there", "they",
    "this", "to", "up", "was", "while", "who", "with",
})  # fmt: skip
_MOST_WORDS, _MOST_CAPTIONS, _MOST_SIZES = 48, 10, 16


def summarize_categories(source: ReportSource) -> dict[str, Any]:
    """Count samples and hours by category."""
    index = source.index
    named = index["category"].fillna("").replace("", NOT_STATED)
    found = index.groupby(named)["duration_s"].agg(["size", "sum"])
    order = sorted(found.index, key=lambda name: (-int(found.at[name, "size"]), name))
    groups = {
        name: {
            "samples": int(found.at[name, "size"]),
            "share": compute_share(int(found.at[name, "size"]), len(index)),
            "hours": round_figure(found.at[name, "sum"] / 3600),
        }
        for name in order
    }
    return {"count": len(groups), "groups": groups, "said_by": dict(source.tally.category_sources.most_common())}


def summarize_captions(source: ReportSource) -> dict[str, Any]:
    """Summarize the captions: lengths, distinct ones, near-duplicates, words."""
    texts: list[str] = source.index["caption"].fillna("").astype(str).tolist()
    found = [_WORD.findall(text.lower()) for text in texts]
    words = Counter(word for each in found for word in set(each) if word not in _SMALL_WORDS and len(word) > 1)
    same = Counter(text for text in texts if text)
    top = select_largest(same, _MOST_CAPTIONS)
    duplicates = find_duplicate_captions(texts)
    return {
        "count": len(texts),
        "empty": len(texts) - same.total(),
        "distinct": len(same),
        "distinct_share": compute_share(len(same), same.total()),
        "near_duplicates": len(duplicates),
        "near_duplicate_share": compute_share(len(duplicates), same.total()),
        "alike": [
            {"text": texts[d.index], "like": texts[d.duplicate_of], "similarity": round_figure(d.similarity)}
            for d in sorted(duplicates, key=lambda d: -d.similarity)
            if texts[d.index] != texts[d.duplicate_of]
        ][:_MOST_CAPTIONS],
        "commonest_share": compute_share(top[0][1], same.total()) if top else None,
        "vocabulary": len({word for each in found for word in each}),
        "words": summarize_distribution(np.array([len(each) for each in found]), whole=True),
        "letters": summarize_distribution(np.array([len(text) for text in texts]), whole=True),
        "top_words": [
            {"word": word, "clips": clips, "share": compute_share(clips, len(texts))}
            for word, clips in select_largest(words, _MOST_WORDS)
        ],
        "repeated": [{"text": text, "clips": clips} for text, clips in top if clips > 1],
        "said_by": dict(source.tally.caption_sources.most_common()),
    }


def summarize_shapes(source: ReportSource) -> dict[str, Any]:
    """Summarize frames, durations, sizes and rates of the samples."""
    index = source.index
    sizes = Counter(f"{w}x{h}" for w, h in zip(index["width"], index["height"], strict=True))
    rates = Counter(f"{rate:.5g}" for rate in index["fps"])
    return {
        "frames": summarize_distribution(index["num_frames"].to_numpy(), whole=True),
        "duration_s": summarize_distribution(index["duration_s"].to_numpy()),
        "short_side": summarize_distribution(index[["width", "height"]].min(axis=1).to_numpy(), whole=True),
        "aspect": summarize_distribution((index["width"] / index["height"]).to_numpy()),
        "mp4_bytes": summarize_distribution(index["mp4_bytes"].to_numpy()),
        "megabits_per_s": summarize_distribution((index["mp4_bytes"] * 8e-6 / index["duration_s"]).to_numpy()),
        "sizes": dict(select_largest(sizes, _MOST_SIZES)),
        "other_sizes": sum(clips for _, clips in select_largest(sizes, len(sizes))[_MOST_SIZES:]),
        "fps": dict(select_largest(rates, _MOST_SIZES)),
        "other_fps": sum(clips for _, clips in select_largest(rates, len(rates))[_MOST_SIZES:]),
    }


def summarize_splits(source: ReportSource) -> dict[str, Any]:
    """Count samples, videos and hours by split; shared_videos counts the videos in more than one split."""
    index = source.index
    names = [*SPLITS, *sorted(set(index["split"]) - set(SPLITS))]
    found = {}
    for name in names:
        rows = index[index["split"] == name]
        found[name] = {
            "samples": len(rows),
            "share": compute_share(len(rows), len(index)),
            "videos": int(rows["video_id"].nunique()),
            "frames": int(rows["num_frames"].sum()),
            "hours": round_figure(rows["duration_s"].sum() / 3600),
            "categories": int(rows["category"].nunique()),
        }
    shared = int((index.groupby("video_id")["split"].nunique() > 1).sum()) if len(index) else 0
    return {"groups": found, "shared_videos": shared}


def summarize_headline(source: ReportSource) -> dict[str, Any]:
    """Compute the figures of the overview."""
    index, outcomes, doc = source.index, source.outcomes, source.doc
    videos = outcomes[outcomes["unit"] == "video"]
    clips = outcomes[outcomes["unit"] == "clip"]
    seconds = float(index["duration_s"].sum())
    input_seconds = float((videos["end_s"] - videos["start_s"]).sum())
    valid = index.get("valid_share", pd.Series(dtype=float))
    known = len(index) > 0 and len(valid) > 0 and bool(valid.notna().all())
    by_video = index.groupby("video_id")["duration_s"].sum() if len(index) else pd.Series(dtype=float)
    return {
        "samples": len(index),
        "hours": round_figure(seconds / 3600),
        "motion_hours": round_figure(float((valid * index["duration_s"]).sum()) / 3600) if known else None,
        "frames": int(index["num_frames"].sum()),
        "sources": int(index["video_id"].nunique()),
        "bytes": sum(row.bytes for row in doc.shards),
        "shards": len(doc.shards),
        "batches": len(doc.batches),
        "inputs": len(videos),
        "input_hours": round_figure(input_seconds / 3600),
        "clips": len(clips),
        "clips_kept_share": compute_share(int((clips["outcome"] == "kept").sum()), len(clips)),
        "hours_kept_share": compute_share(seconds, input_seconds),
        "rejected_clips": int((clips["outcome"] == "rejected").sum()),
        "faulted": int((outcomes["outcome"] == "faulted").sum()),
        "largest_video_share": compute_share(float(by_video.max()), seconds) if len(by_video) else None,
    }
