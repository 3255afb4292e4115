"""How many clips come through each stage under a selection, and what that adds up to."""

from typing import Any

import numpy as np

from shards.explorer.selection import FAULTED, KEPT, OPEN, REJECTED, Selection, Selector


def funnel_document(selector: Selector, selection: Selection) -> dict[str, Any]:
    """{funnel: [{stage, inputs, emitted, rejected, faulted, open}], reasons: {reason: count}, kept, hours,
    kept_before, returned, left, open}; at every stage inputs = emitted + rejected + faulted + open."""
    kept, before = selection.outcome == KEPT, selector.kept_before
    ended = {
        how: np.bincount(selection.stage[selection.outcome == how], minlength=len(selection.stages)).tolist()
        for how in (REJECTED, FAULTED, OPEN)
    }
    rows, inputs = [], len(kept)
    for place, stage in enumerate(selection.stages):
        rejected, faulted, waiting = (ended[how][place] for how in (REJECTED, FAULTED, OPEN))
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
        "kept_before": int(before.sum()),
        "returned": int((kept & ~before).sum()),
        "left": int((before & ~kept).sum()),
        "open": int((selection.outcome == OPEN).sum()),
    }
