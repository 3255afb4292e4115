"""Check outcomes.parquet: every input has an outcome, shots tile their video, counts add up."""

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import NamedTuple

import pyarrow as pa

from shards.checks.defect import Findings
from shards.format import DATASET_FILE, OUTCOMES_FILE, parse_transitions
from shards.index import OUTCOME_UNITS, OUTCOMES, OUTCOMES_SCHEMA
from shards.reader import Dataset
from shards.schemas import DatasetDoc
from shards.tables import iterate_table_rows, list_table_files, read_united_schema

MAX_FADE_S = 5.0
"""Longest gap between shots that may be a fade or dissolve, if the video's row does not list them."""

_TEXT = tuple(field.name for field in OUTCOMES_SCHEMA if field.type == pa.string())
_NUMBERS = tuple(field.name for field in OUTCOMES_SCHEMA if field.type != pa.string())
Spans = list[tuple[int, int]]


class _Video(NamedTuple):
    """The fields of a video's row that the tiling check needs; a named tuple, since there may be a million."""

    start_frame: int
    end_frame: int | None
    end_s: float | None
    fades: Spans | None


class OutcomesCheck:
    """A check in one pass over the outcomes. It keeps a few numbers per video and shot, and the kept clips' keys."""

    def __init__(self) -> None:
        self.found = Findings(OUTCOMES_FILE)
        self._videos: dict[str, _Video] = {}
        self._shots: dict[str, Spans] = defaultdict(list)
        self._clips: dict[str, Spans] = defaultdict(list)
        self._kept: dict[str, tuple[int, int]] = {}
        self._units: Counter[str] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()

    def read(self, dataset: Dataset) -> bool:
        """Read the outcomes; return False if they are not a valid table."""
        try:
            return self._read_rows(dataset)
        except (pa.ArrowException, OSError, ValueError) as error:  # pyarrow's errors for damaged bytes
            if isinstance(error, ConnectionError):
                raise
            self.found.add(f"is not a Parquet file: {error}")
            return False

    def _read_rows(self, dataset: Dataset) -> bool:
        files = list_table_files(dataset.doc, "outcomes")
        schema = read_united_schema(dataset.store, files)
        for field in OUTCOMES_SCHEMA:
            if field.name not in schema.names or schema.field(field.name).type != field.type:
                self.found.add(f"has no column {field.name} of {field.type}")
        if self.found:
            return False
        for row in iterate_table_rows(dataset.store, files):
            texts = {name: "" if row[name] is None else row[name] for name in _TEXT}
            self._check_row(texts | {name: row[name] for name in _NUMBERS})
        return True

    def _check_row(self, row: dict) -> None:
        name = f"{row['unit']} {row['clip_id'] or row['uri']}"
        if row["unit"] not in OUTCOME_UNITS or row["outcome"] not in OUTCOMES:
            self.found.add(f"{name}: outcome {row['outcome']!r} is not one of {OUTCOMES}")
            return
        self._units[row["unit"]] += 1
        if row["outcome"] in ("rejected", "faulted"):
            self.found.expect(bool(row["reason"]), f"{name} was {row['outcome']} without a reason")
            self._dropped[row["stage"], row["outcome"]] += 1
        start, end = row["start_frame"], row["end_frame"]
        if row["unit"] == "video":
            self.found.expect(bool(row["uri"]), f"a video {row['video_id']} has no uri")
            if row["outcome"] in ("kept", "split"):
                self._videos[row["video_id"]] = _Video(start or 0, end, row["end_s"], parse_transitions(row["detail"]))
            return
        if start is None or end is None or not 0 <= start < end:
            self.found.add(f"{name} has the span {start} to {end}")
            return
        (self._shots if row["unit"] == "shot" else self._clips)[row["video_id"]].append((start, end))
        if row["unit"] == "clip" and row["outcome"] == "kept":
            self.found.expect(row["clip_id"] not in self._kept, f"{name} is kept twice")
            self._kept[row["clip_id"]] = (start, end)

    def check_samples(self, spans: dict[str, tuple[int, int]]) -> None:
        """Check off a shard's samples: each must be a kept clip of the same span."""
        for key, span in spans.items():
            stated = self._kept.pop(key, None)
            if stated is None:
                self.found.add(f"{key} is a sample, but no kept clip has that name")
            else:
                self.found.expect(stated == span, f"{key} spans {stated}, its json says {span}")

    def finish(self, doc: DatasetDoc) -> Findings:
        """Check the invariants over all rows, after every shard was checked off."""
        for key in self._kept:
            self.found.add(f"clip {key} is kept, but no shard contains it")
        for video_id in sorted(self._shots.keys() | self._clips.keys()):
            self._check_tiling(video_id)
        inputs = sum(batch.num_inputs for batch in doc.batches)
        videos = self._units["video"]
        self.found.expect(videos >= inputs, f"the batches have {inputs} inputs, but only {videos} videos have a row")
        document = Findings(DATASET_FILE)
        for stage, count in doc.counts.items():
            sound = count.inputs == count.emitted + count.rejected + count.faulted
            document.expect(
                sound,
                f"stage {stage} loses inputs: {count.inputs} != {count.emitted} emitted + "
                f"{count.rejected} rejected + {count.faulted} faulted",
                "build again: a stage lost work",
            )
            for outcome in ("rejected", "faulted"):
                stated, rows = getattr(count, outcome), self._dropped.pop((stage, outcome), 0)
                document.expect(
                    stated == rows, f"stage {stage} counts {stated} {outcome}, {OUTCOMES_FILE} has {rows} rows"
                )
        for (stage, outcome), rows in sorted(self._dropped.items()):
            document.add(f"has no counts of stage {stage}, where {OUTCOMES_FILE} has {rows} {outcome} rows")
        document.expect(bool(doc.counts), "has no counts by stage")
        return document

    def _check_tiling(self, video_id: str) -> None:
        video, shots = self._videos.get(video_id), sorted(self._shots[video_id])
        name = f"video {video_id}"
        if video is None:
            self.found.add(f"{name} has shots or clips, but no row that says split or kept")
            return
        end = video.end_frame if video.end_frame is not None else max((b for _, b in shots), default=0)
        gaps: Spans = []
        at = video.start_frame
        for start, stop in shots:
            if start < at:
                self.found.add(f"{name}: the shot [{start}, {stop}) overlaps the shot that ends at {at}")
            elif start > at:
                gaps.append((at, start))
            at = max(at, stop)
        if at > end:
            self.found.add(f"{name}: its shots end at {at}, the video at {end}")
        elif at < end:
            gaps.append((at, end))
        self._check_gaps(name, video, end, gaps)
        starts = [start for start, _ in shots]
        for start, stop in self._clips[video_id]:
            number = bisect_right(starts, start) - 1
            inside = number >= 0 and stop <= shots[number][1]
            self.found.expect(inside, f"{name}: the clip [{start}, {stop}) is in none of its shots")

    def _check_gaps(self, name: str, video: _Video, end: int, gaps: Spans) -> None:
        if video.fades is not None:
            for start, stop in gaps:
                if not any(a <= start and stop <= b for a, b in video.fades):
                    self.found.add(f"{name}: the frames [{start}, {stop}) belong to no shot and to no fade")
            return
        rate = end / video.end_s if video.end_s else None
        for start, stop in gaps:
            if rate is None or (stop - start) / rate > MAX_FADE_S:
                self.found.add(f"{name}: the frames [{start}, {stop}) belong to no shot: too long for a fade")
