"""Figures of rights, duplicates and annotators."""

import re
from collections import Counter
from typing import Any

from humove.reasons import Reason
from shards.report.drawing.distribution import compute_share, round_figure, select_largest
from shards.report.source import NOT_STATED, ReportSource

_MOST = 30
_CLIP_ID = re.compile(r"[A-Za-z0-9_-]+-s\d{4,}-c\d{4,}-p\d{2,}")


def summarize_rights(source: ReportSource) -> dict[str, Any]:
    """Count clips and hours by licence and by source, of the samples that could be read."""
    tally = source.tally

    def make_table(clips: Counter[str], seconds: Counter[str]) -> dict[str, Any]:
        total_clips, total_seconds = tally.clips, sum(seconds.values())
        top = select_largest(clips, _MOST)
        rest = clips.total() - sum(number for _, number in top)
        rows = {
            name: {
                "clips": number,
                "share": compute_share(number, total_clips),
                "hours": round_figure(seconds[name] / 3600),
                "share_of_hours": compute_share(seconds[name], total_seconds),
            }
            for name, number in top
        }
        return {"count": len(clips), "groups": rows, "other_clips": rest}

    return {
        "read": tally.clips,
        "of": len(source.index),
        "licences": make_table(tally.licences, tally.licence_seconds),
        "sources": make_table(tally.sources, tally.source_seconds),
        "licence_stated": tally.clips - tally.licences[NOT_STATED],
        "licence_stated_share": compute_share(tally.clips - tally.licences[NOT_STATED], tally.clips),
        "consent": tally.consent,
        "consent_share": compute_share(tally.consent, tally.clips),
    }


def summarize_duplicates(source: ReportSource) -> dict[str, Any]:
    """Count duplicate files and near-duplicate clips, with examples.

    `near` and `near_share` are None if near-duplicates were not searched.
    """
    outcomes = source.outcomes
    rejected = outcomes[outcomes["outcome"] == "rejected"]
    exact = rejected[rejected["reason"] == Reason.DUPLICATE]
    near = rejected[rejected["reason"] == Reason.NEAR_DUPLICATE]
    clips = int((outcomes["unit"] == "clip").sum())
    rows = [row for row in near.sort_values("clip_id").itertuples() if row.clip_id]
    pairs = [(row.clip_id, _CLIP_ID.search(row.detail)) for row in rows]
    originals = Counter(original[0] for _, original in pairs if original)
    dedup = source.doc.config.get("dedup", {})
    searched = dedup.get("near") != "off"
    return {
        "exact": len(exact),
        "near": len(near) if searched else None,
        "near_share": compute_share(len(near), clips) if searched else None,
        "mode": str(dedup.get("near", "not known")),
        "max_distance": dedup.get("max_distance"),
        "largest_group": 1 + max(originals.values()) if originals else None,
        "pairs": [{"clip": clip, "twin": original[0] if original else ""} for clip, original in pairs[:_MOST]],
        "files": [{"uri": row.uri, "detail": row.detail} for row in exact.head(_MOST).itertuples()],
    }


def summarize_annotators(source: ReportSource) -> dict[str, Any]:
    """List the models with versions, weights and licences, and the body models."""
    models = [
        {
            "name": each.name,
            "version": each.version,
            "licence": each.licence or NOT_STATED,
            "weights": [{"name": w.name, "sha256": w.sha256, "licence": w.licence or NOT_STATED} for w in each.weights],
        }
        for each in source.doc.annotators
    ]
    bodies = [
        {"name": name, "licence": licence, "shape_source": shape, "clips": clips}
        for (name, licence, shape), clips in sorted(source.tally.bodies.items())
    ]
    return {"models": models, "bodies": bodies}
