"""The scan of a video in its unit's records: measured by chunk, joined, and read by span."""

import time
from collections.abc import Sequence
from pathlib import Path

from humove.stage import Reject
from humove.video.container import count_missing_bytes
from humove.video.probe import Probe
from humove.video.scan import ScanUnit, scan_parts
from humove.video.scan_store import ScanIndex, StoredScan, join_stored, read_span, write_parts
from humove.video.span import ScanSpan
from pipelines.stages.records import VIDEO, Record, UnitRecords

SPAN = "span"
"""The step name of a separately scanned span of a long video."""


def scan_span(records: UnitRecords, key: str, path: Path, probe: Probe, unit: ScanUnit, index: int) -> Record:
    """Decode and measure one span of a video; its chunks and their names go into the records."""
    start = time.process_time()
    names = write_parts(
        scan_parts(path, probe, unit),
        lambda name, raw: records.put_member(VIDEO, name, raw),
        prefix=f"scan.{key[:12]}.{index:03d}-",
    )
    record = Record(facts={"names": names}, cpu_s=time.process_time() - start)
    records.put_record(f"{VIDEO}-{index:03d}", SPAN, key, record)
    return record


def join_scan(records: UnitRecords, key: str, path: Path, probe: Probe, spans: Sequence[Record]) -> Record:
    """Join the spans of a video into its scan's record, which may be a reject."""
    start = time.process_time()
    names = [name for span in spans for name in span.facts["names"]]
    joined = join_stored(names, lambda name: records.read_member(VIDEO, name), probe, count_missing_bytes(path))
    cpu_s = sum(span.cpu_s for span in spans) + time.process_time() - start
    if isinstance(joined, Reject):
        record = Record(reject=joined, cpu_s=cpu_s)
    else:
        facts = {"num_frames": joined.num_frames, "index": joined.index.to_json()}
        record = Record(facts=facts, cpu_s=cpu_s)
    records.put_record(VIDEO, "scan", key, record)
    return record


def open_scan(records: UnitRecords, key: str, probe: Probe) -> StoredScan:
    """Open a joined scan."""
    index = _read_index(records, key)
    found = join_stored(index.names, lambda name: records.read_member(VIDEO, name), probe, 0)
    if isinstance(found, Reject):
        raise RuntimeError(f"a stored scan is no longer complete: {found.detail}")
    return found


def read_scan_span(records: UnitRecords, key: str, probe: Probe, start: int, end: int) -> ScanSpan:
    """Read what decoding the frames start to end (exclusive) needs, from the chunks that hold them."""
    return read_span(_read_index(records, key), lambda name: records.read_member(VIDEO, name), probe, start, end)


def _read_index(records: UnitRecords, key: str) -> ScanIndex:
    record = records.get(VIDEO, "scan", key)
    if record is None:
        raise RuntimeError("the video has no scan")
    return ScanIndex.from_json(record.facts["index"])
