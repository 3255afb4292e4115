"""A look at a build that is not finished: what its ledger says at this moment."""

import json
from pathlib import Path

from humove.errors import UserError
from pipelines.config import configured
from pipelines.ledger import Ledger
from pipelines.measured import MeasuredWriter
from pipelines.plan import Plan
from pipelines.walk import walk
from shards.clips import ClipTable, read_clips_file
from shards.format import LEDGER_FOLDER


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

    Nearly alike clips are all kept as yet: they are settled when a build ends.
    """
    path = folder / "clips.parquet"
    seen: set[str] = set()
    with MeasuredWriter(path, plan, building=True) as table:
        for number in plan.ledger.batch_numbers():
            for state in walk(plan, plan.ledger.batch(number), seen):
                table.add(state, {}, number)
    return read_clips_file(path)
