"""A snapshot of the state of an unfinished build."""

from humove.errors import UserError
from humove.storage import Store
from pipelines.assembly.batch_assembly import DuplicateClips, begin_assembly
from pipelines.assembly.batch_outcomes import get_clip_outcomes
from pipelines.assembly.clips_table import build_clips_table
from pipelines.config import make_config
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.engine.resolve import resolve_batch
from pipelines.labels import load_build_labels
from shards.clips_table import ClipTable, parse_clip_tables


def read_plan(store: Store) -> Plan:
    """Read the plan of the last build in a store; UserError if there is none."""
    ledger = Ledger(store)
    settings = ledger.read_json("config.json")
    if settings is None:
        raise UserError(f"{store}: holds no data set, and no build that has begun; give the folder of one")
    ledger.check_version()
    config = make_config(settings, [])
    return Plan.from_config(config, load_build_labels(config.labels, store))


def take_snapshot(plan: Plan, store: Store) -> ClipTable:
    """Make the table of the clips found so far, with the measurements so far.

    Near-duplicates are resolved as if the build ended here.
    """
    ledger, earlier, duplicates, tables = Ledger(store), set(), DuplicateClips(plan), []
    for number in ledger.list_batch_numbers():
        state = ledger.open_state(number)
        states = resolve_batch(plan, ledger.read_batch(number), state.read(), earlier)
        settled = begin_assembly(plan, number, states, duplicates, frozenset(), {})
        ends = list(get_clip_outcomes(states.clips, states.videos, settled.duplicate_of, building=True))
        tables.append(build_clips_table(plan, states, ends, number))
    return parse_clip_tables(tables)
