"""A look at a build that is not finished: what its state says at this moment."""

from humove.errors import UserError
from humove.storage import Store
from pipelines.assembly.batch_assembly import DuplicateClips, begin_assembly
from pipelines.assembly.batch_outcomes import ends_of_clips
from pipelines.assembly.clips_table import build_clips_table
from pipelines.config import configured
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.engine.resolve import resolve_batch
from pipelines.marks import read_copy
from shards.clips import ClipTable, parse_clip_tables


def read_plan(store: Store) -> Plan:
    """The plan of the build that last worked at a place; UserError where none has."""
    ledger = Ledger(store)
    settings = ledger.read_json("config.json")
    if settings is None:
        raise UserError(f"{store}: holds no data set, and no build that has begun; give the folder of one")
    ledger.check_version()
    config = configured(settings, [])
    return Plan.of(config, read_copy(config.marks, store))


def snapshot(plan: Plan, store: Store) -> ClipTable:
    """The clips that the build has come to know, each as far as it came.

    Near-duplicates are settled as if the build ended here.
    """
    ledger, earlier, duplicates, tables = Ledger(store), set(), DuplicateClips(plan), []
    for number in ledger.batch_numbers():
        state = ledger.open_state(number)
        states = resolve_batch(plan, ledger.read_batch(number), state.read(), earlier)
        settled = begin_assembly(plan, number, states, duplicates, frozenset(), {})
        ends = list(ends_of_clips(states.clips, states.videos, settled.duplicate_of, building=True))
        tables.append(build_clips_table(plan, states, ends, number))
    return parse_clip_tables(tables)
