"""A look at a build that is not finished: what its ledger says at this moment."""

import json
from pathlib import Path

from humove.errors import UserError
from pipelines.config import configured
from pipelines.ledger import Ledger
from pipelines.measured import MeasuredWriter
from pipelines.plan import Plan
from pipelines.walk import KEPT, walk
from shards.clips import ClipTable, read_clips_file
from shards.format import LEDGER_FOLDER
from shards.near_duplicates import Entry, find_near_duplicates


def plan_of(out: Path) -> Plan:
    """The plan of the build that last worked at `out`; UserError where none has."""
    ledger = Ledger(out / LEDGER_FOLDER)
    try:
        settings = json.loads(ledger.config_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError) as e:
        raise UserError(f"{out}: holds no data set, and no build that has begun; give the folder of one") from e
    return Plan.of(configured(settings, []), ledger)


def snapshot(plan: Plan, folder: Path) -> ClipTable:
    """The clips that the build has come to know, each as far as it came; `folder` takes the table's file.

    Clips nearly alike are settled as if the build ended here.
    """
    path = folder / "clips.parquet"
    twins = _twins(plan)
    seen: set[str] = set()
    with MeasuredWriter(path, plan, building=True) as table:
        for number in plan.ledger.batch_numbers():
            for state in walk(plan, plan.ledger.batch(number), seen):
                table.add(state, twins, number)
    return read_clips_file(path)


def _twins(plan: Plan) -> dict[str, str]:
    seen: set[str] = set()
    winners: list[Entry] = []
    twins: dict[str, str] = {}
    for number in plan.ledger.batch_numbers():
        states = walk(plan, plan.ledger.batch(number), seen)
        clips = [clip for state in states for shot in state.shots for clip in shot.clips if clip.outcome == KEPT]
        clips.sort(key=lambda c: (-c.clip.video.width * c.clip.video.height, c.clip.clip_id))
        entries = [Entry(clip_id=c.clip.clip_id, signature=c.signature) for c in clips]
        found = find_near_duplicates(winners + entries, plan.config.dedup, len(winners))
        winners += [entry for entry in entries if entry.clip_id not in found]
        twins |= found
    return twins
