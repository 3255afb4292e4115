"""The cleanup of the ledger after a commit: videos that are now in shards are removed from it."""

import io
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from humove.storage.store import Store
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.engine.state import BatchState, StateTables
from shards.format import LEDGER_FOLDER, SHARD_NAME, SHARDS_FOLDER, TABLES_FOLDER
from shards.schemas import DatasetDoc
from shards.tables import name_clips_part
from shards.tars import TarWriter

_VIDEOS = f"{LEDGER_FOLDER}/videos/"


def note_commit(ledger: Ledger, plan: Plan, batch: int, shards: Iterable[str], index: list[dict]) -> None:
    """Write, before a commit, the cleanup to do after it; after a kill, the next command does it."""
    places = [[row["key"], row["shard"], row["mp4_offset"], row["mp4_bytes"]] for row in index]
    keys = {"split_key": plan.split_key, "encode_key": plan.step_keys["encode"]}
    ledger.write_json(f"commits/{batch:06d}.json", {"shards": list(shards), "places": places, **keys})


def tidy_commits(ledger: Ledger, doc: DatasetDoc, scratch: Path) -> None:
    """Clean up after every noted commit, and drop the notes of commits that did not happen."""
    listed = {row.name for row in doc.shards}
    for entry in ledger.store.list(ledger.get_name("commits")):
        number = int(entry.name.rpartition("/")[2].removesuffix(".json"))
        note = ledger.read_json(f"commits/{number:06d}.json")
        if note is not None and set(note["shards"]) <= listed:
            _tidy_batch(ledger, ledger.open_state(number), note, scratch)
            ledger.store.delete([ledger.get_name(f"packed/{name}.json") for name in note["shards"]])
        ledger.store.delete([entry.name])


def _tidy_batch(ledger: Ledger, state: BatchState, note: dict, scratch: Path) -> None:
    tables = state.read()
    clips = _place_in_shards(tables.clips, note)
    before, still = _list_video_files(tables.clips), _list_video_files(clips)
    clips = _shrink_files(ledger.store, clips, sorted(_list_packed_files(tables.clips, note) & still), scratch)
    state.replace_rows(StateTables(videos=tables.videos, clips=clips))
    ledger.store.delete(sorted(before - _list_video_files(clips)))


def _list_video_files(clips: pa.Table) -> set[str]:
    """Return the files of the set's own ledger that hold a clip's video."""
    own = pc.and_(pc.equal(clips["mp4_origin"], ""), pc.starts_with(clips["mp4_file"], _VIDEOS))
    return set(clips.filter(own)["mp4_file"].unique().to_pylist())


def _find_packed(clips: pa.Table, note: dict) -> pa.ChunkedArray:
    """Return which rows are of packed clips, measured under the settings of the commit."""
    if "key.encode" not in clips.column_names:
        return pa.chunked_array([pa.array([False] * len(clips), pa.bool_())])
    keys = pa.array([place[0] for place in note["places"]], pa.string())
    right = pc.and_(pc.equal(clips["key.encode"], note["encode_key"]), pc.equal(clips["split_key"], note["split_key"]))
    return pc.fill_null(pc.and_(right, pc.is_in(clips["clip_id"], value_set=keys)), False)


def _list_packed_files(clips: pa.Table, note: dict) -> set[str]:
    return set(clips.filter(_find_packed(clips, note))["mp4_file"].to_pylist())


def _place_in_shards(clips: pa.Table, note: dict) -> pa.Table:
    """Return the rows of clips; packed ones with the place of their video in its shard."""
    found = {key: ("", f"{SHARDS_FOLDER}/{shard}", offset, size) for key, shard, offset, size in note["places"]}
    packed = _find_packed(clips, note).to_pylist()
    new = {at: found[key] for at, key in enumerate(clips["clip_id"].to_pylist()) if packed[at]}
    return _set_places(clips, new)


def _set_places(clips: pa.Table, new: dict[int, tuple[str, str, int, int]]) -> pa.Table:
    """Return the rows of clips with new places of videos, by row index: origin, file, offset, bytes."""
    for part, name in enumerate(("mp4_origin", "mp4_file", "mp4_offset", "mp4_bytes")):
        values = clips[name].to_pylist()
        for at, place in new.items():
            values[at] = place[part]
        column = clips.schema.get_field_index(name)
        clips = clips.set_column(column, name, pa.array(values, clips.schema.field(name).type))
    return clips


def _shrink_files(store: Store, clips: pa.Table, files: list[str], scratch: Path) -> pa.Table:
    """Rewrite files that hold packed clips beside others (near-duplicates), without the packed ones."""
    names, offsets = clips["mp4_file"].to_pylist(), clips["mp4_offset"].to_pylist()
    new: dict[int, tuple[str, str, int, int]] = {}
    rows_of: dict[str, dict[int, int]] = {file: {} for file in files}
    for at, name in enumerate(names):
        if name in rows_of:
            rows_of[name][offsets[at]] = at
    for file, rows in rows_of.items():
        target = f"{file.removesuffix('.tar')}-left.tar"
        try:
            raw = store.read(file)
        except FileNotFoundError:  # removed by someone: the clips are encoded again when they are needed
            new |= dict.fromkeys(rows.values(), ("", "", 0, 0))
            continue
        with tempfile.TemporaryDirectory(dir=scratch, prefix="tidy-") as folder:
            path = Path(folder) / "videos.tar"
            with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as source, TarWriter(path) as tar:
                for entry in source:
                    if entry.offset_data in rows:
                        offset = tar.add(entry.name, source.extractfile(entry).read())
                        new[rows[entry.offset_data]] = ("", target, offset, entry.size)
            store.write_file(target, path)
    return _set_places(clips, new)


def remove_unlisted(store: Store, doc: DatasetDoc) -> None:
    """Remove shards and tables that the committed set does not list: of an older set, or of a killed assembly."""
    listed = {f"{SHARDS_FOLDER}/{row.name}" for row in doc.shards}
    listed |= {row.name for rows in doc.tables.values() for row in rows}
    listed |= {name_clips_part(row.name) for row in doc.tables["outcomes"]}
    shards = [entry.name for entry in store.list(SHARDS_FOLDER)]
    found = [name for name in shards if SHARD_NAME.fullmatch(name.removeprefix(f"{SHARDS_FOLDER}/"))]
    for folder in (TABLES_FOLDER, f"{LEDGER_FOLDER}/{TABLES_FOLDER}"):
        found += [entry.name for entry in store.list(folder)]
    store.delete([name for name in found if name not in listed])
