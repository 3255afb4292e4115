"""The number of clips that pass each stage under a selection, and the totals."""

from typing import Any

import numpy as np

from shards.explorer.selection import FAULTED, KEPT, OPEN, REJECTED, Selection, Selector


def make_funnel_document(selector: Selector, selection: Selection) -> dict[str, Any]:
    """Return {funnel: [{stage, inputs, emitted, rejected, faulted, open}], reasons: {reason: count}, kept, hours,
    kept_in_build, newly_kept, newly_rejected, open}; at every stage inputs = emitted + rejected + faulted + open."""
    kept, before = selection.outcome == KEPT, selector.kept_in_build
    ended = {
        end: np.bincount(selection.stage[selection.outcome == end], minlength=len(selection.stages)).tolist()
        for end in (REJECTED, FAULTED, OPEN)
    }
    rows, inputs = [], len(kept)
    for place, stage in enumerate(selection.stages):
        rejected, faulted, waiting = (ended[end][place] for end in (REJECTED, FAULTED, OPEN))
        emitted = inputs - rejected - faulted - waiting
        rows.append(
            {
                "stage": stage, "inputs": inputs, "emitted": emitted,
                "rejected": rejected, "faulted": faulted, "open": waiting,
            }
        )  # fmt: skip
        inputs = emitted
    reasons = np.bincount(selection.reason[selection.outcome == REJECTED], minlength=len(selection.reasons)).tolist()
    return {
        "funnel": rows,
        "reasons": {name: count for name, count in zip(selection.reasons, reasons, strict=True) if count},
        "kept": int(kept.sum()),
        "hours": round(float(np.nansum(selector.seconds[kept])) / 3600, 6),
        "kept_in_build": int(before.sum()),
        "newly_kept": int((kept & ~before).sum()),
        "newly_rejected": int((before & ~kept).sum()),
        "open": int((selection.outcome == OPEN).sum()),
    }
