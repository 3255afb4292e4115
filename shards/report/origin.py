"""Where the samples come from, and who made what of them: rights, duplicates, annotators."""

import re
from collections import Counter
from typing import Any

from humove.reasons import Reason
from shards.report.distribution import share, tidy, weighted_top
from shards.report.source import NOT_STATED, ReportSource

_MOST = 30
_TWIN = re.compile(r"[A-Za-z0-9_-]+-s\d{4,}-c\d{4,}-p\d{2,}")


def rights(source: ReportSource) -> dict[str, Any]:
    """Clips and hours by licence and by source, of the samples that could be read."""
    tally = source.tally

    def table(clips: Counter[str], seconds: Counter[str]) -> dict[str, Any]:
        total, whole = tally.clips, sum(seconds.values())
        top = weighted_top(clips, _MOST)
        rest = clips.total() - sum(number for _, number in top)
        rows = {
            name: {
                "clips": number,
                "share": share(number, total),
                "hours": tidy(seconds[name] / 3600),
                "share_of_hours": share(seconds[name], whole),
            }
            for name, number in top
        }
        return {"count": len(clips), "groups": rows, "other_clips": rest}

    return {
        "read": tally.clips,
        "of": len(source.index),
        "licences": table(tally.licences, tally.licence_seconds),
        "sources": table(tally.sources, tally.source_seconds),
        "licence_stated": tally.clips - tally.licences[NOT_STATED],
        "licence_stated_share": share(tally.clips - tally.licences[NOT_STATED], tally.clips),
        "consent": tally.consent,
        "consent_share": share(tally.consent, tally.clips),
    }


def duplicates(source: ReportSource) -> dict[str, Any]:
    """Files that came twice, clips that show the same moment twice, and the first of each with its twin.

    `near` and `near_share` are None where nobody looked for them.
    """
    outcomes = source.outcomes
    rejected = outcomes[outcomes["outcome"] == "rejected"]
    exact = rejected[rejected["reason"] == Reason.DUPLICATE]
    near = rejected[rejected["reason"] == Reason.NEAR_DUPLICATE]
    clips = int((outcomes["unit"] == "clip").sum())
    twins = [(row.clip_id, _TWIN.search(row.detail)) for row in near.sort_values("clip_id").itertuples() if row.clip_id]
    winners = Counter(twin[0] for _, twin in twins if twin)
    dedup = source.doc.config.get("dedup", {})
    searched = dedup.get("near") != "off"
    return {
        "exact": len(exact),
        "near": len(near) if searched else None,
        "near_share": share(len(near), clips) if searched else None,
        "mode": str(dedup.get("near", "not known")),
        "max_distance": dedup.get("max_distance"),
        "largest_group": 1 + max(winners.values()) if winners else None,
        "pairs": [{"clip": clip, "twin": twin[0] if twin else ""} for clip, twin in twins[:_MOST]],
        "files": [{"uri": row.uri, "detail": row.detail} for row in exact.head(_MOST).itertuples()],
    }


def annotators(source: ReportSource) -> dict[str, Any]:
    """The models, their versions, weights and licences; the bodies that the motion moves."""
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
