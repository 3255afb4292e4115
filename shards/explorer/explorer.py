"""Everything that the explorer says about a data set, as JSON-able documents. No HTTP here."""

import math
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import pandas as pd
import yaml

from humove.body import Body
from humove.errors import UserError
from humove.storage import Store, open_store
from shards.clips import CPU, SCORE, ClipTable
from shards.explorer.asks import ClipsAsk, MarkAsk, SelectAsk, SelectionAsk
from shards.explorer.body import skeleton
from shards.explorer.clip import clip_path
from shards.explorer.funnel import funnel_document
from shards.explorer.marks import Marks, StoredMarks
from shards.explorer.media import ClipData, Media, Mp4, ShardMedia
from shards.explorer.picture import Pictures, jpeg, picture
from shards.explorer.query import Columns, View, column_kinds
from shards.explorer.selection import KEPT, OUTCOMES, Selection, Selector
from shards.reader import Dataset

_MARKS = ("", "good", "bad")
_BINS = 40
T = TypeVar("T")


class Exists(UserError):
    """A selection of that name is there already."""


class Explorer:
    """A table of clips, their media, and what people have marked."""

    def __init__(
        self,
        *,
        dataset: Dataset | None,
        clips: ClipTable,
        media: Sequence[Media],
        marks: Path | Store,
        selections: Path | Store,
        building: bool,
        running: bool,
    ) -> None:
        self._dataset, self._clips, self._media = dataset, clips, tuple(media)
        self._building, self._running = building, running
        self.marks = Marks(marks) if isinstance(marks, Path) else StoredMarks(marks)
        self._selections = selections if isinstance(selections, Store) else open_store(selections)
        self._columns, self._selector = Columns(clips.frame), Selector(clips)
        self._ids = clips.frame["clip_id"].to_numpy(dtype=object)
        self._rows = {clip_id: row for row, clip_id in enumerate(self._ids)}
        self._scores = [name for name in clips.frame.columns if name.startswith(SCORE)]
        self._pictures, self._body = Pictures(), Body.load()
        self._columns.searched("a")  # the first search is not to wait

    def dataset(self) -> dict[str, Any]:
        """What the page must know before it asks for clips."""
        frame, doc, dedup = self._clips.frame, self._dataset.doc if self._dataset else None, self._selector.dedup()
        kept = self._selector.kept_before
        return {
            "name": self._name(),
            "building": self._building,
            "running": self._running,
            "complete": self._clips.complete,
            "score_only": self._selector.lifted({}),
            "num_clips": len(frame),
            "num_kept": int(kept.sum()),
            "num_videos": int(frame["video_id"].nunique()),
            "hours_kept": round(float(np.nansum(self._selector.seconds[kept])) / 3600, 6),
            "config_hash": doc.config_hash if doc else "",
            "columns": column_kinds(self._columns, self._choices()),
            "bars": [
                {
                    "setting": bar.setting,
                    "score": bar.score,
                    "stage": stage.stage,
                    "at_least": bar.at_least,
                    "reason": str(bar.reason),
                    "description": bar.description,
                    "low": bar.low,
                    "high": bar.high,
                    "minimum": bar.minimum,
                    "maximum": bar.maximum,
                    "threshold": self._clips.threshold(bar.setting),
                }
                for stage in self._clips.stage_bars
                for bar in stage.bars
            ],
            "dedup": dedup.model_dump(mode="json"),
            **skeleton(),
        }

    def _choices(self) -> dict[str, Sequence[str]]:
        now = self._selector.select({})
        return {"now": OUTCOMES, "now_stage": now.stages, "now_reason": now.reasons, "mark": _MARKS, "mark_why": ()}

    def _name(self) -> str:
        return self._source().rstrip("/").rpartition("/")[2]

    def _source(self) -> str:
        """Where the data set lies, or the build that is going on; right wherever a command is run."""
        return self._dataset.store.location if self._dataset else self._selections.location.rpartition("/")[0]

    def clips(self, ask: ClipsAsk) -> dict[str, Any]:
        """A window of the clips that match, and the groups of all that match."""
        selection = self._selector.select(ask.thresholds, ask.dedup)
        view = View(self._columns, self._changing(selection))
        rows = view.chosen(ask.search, ask.filters)
        before, groups = None, []
        if ask.group is not None:
            before, groups = view.grouped(rows, ask.group, selection.outcome == KEPT)
        window = view.sorted(rows, ask.sort, before)[ask.offset : ask.offset + ask.limit]
        shown = self._listed(window, selection)
        return {"total": len(rows), "offset": ask.offset, "rows": shown, "groups": groups}

    def _changing(self, selection: Selection) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        marks = self.marks.all()
        said, why = np.zeros(len(self._ids), np.int64), np.zeros(len(self._ids), np.int64)
        reasons = list(dict.fromkeys(["", *(mark.why for mark in marks.values())]))
        place = {reason: number for number, reason in enumerate(reasons)}
        for clip_id, mark in marks.items():
            if clip_id in self._rows:
                said[self._rows[clip_id]], why[self._rows[clip_id]] = _MARKS.index(mark.mark), place[mark.why]
        return {
            "now": (selection.outcome, np.array(OUTCOMES, dtype=object)),
            "now_stage": (selection.stage, np.array(selection.stages, dtype=object)),
            "now_reason": (selection.reason, np.array(selection.reasons, dtype=object)),
            "mark": (said, np.array(_MARKS, dtype=object)),
            "mark_why": (why, np.array(reasons, dtype=object)),
        }

    def _listed(self, rows: np.ndarray, selection: Selection) -> list[dict[str, Any]]:
        frame = self._clips.frame.iloc[rows].drop(columns="signature")
        marks = self.marks.all()
        listed = []
        for row, values in zip(rows.tolist(), frame.to_dict("records"), strict=True):
            shown = {name: _plain(value) for name, value in values.items() if not name.startswith((SCORE, CPU))}
            mark = marks.get(values["clip_id"])
            listed.append(
                {
                    **shown,
                    "now": OUTCOMES[selection.outcome[row]],
                    "now_stage": selection.stages[selection.stage[row]],
                    "now_reason": selection.reasons[selection.reason[row]],
                    "mark": mark.mark if mark else "",
                    "mark_why": mark.why if mark else "",
                    "scores": {name.removeprefix(SCORE): _plain(values[name]) for name in self._scores},
                    "cpu": {n.removeprefix(CPU): _plain(v) for n, v in values.items() if n.startswith(CPU)},
                }
            )
        return listed

    def select(self, ask: SelectAsk) -> dict[str, Any]:
        """The funnel under other thresholds."""
        return funnel_document(self._selector, self._selector.select(ask.thresholds, ask.dedup))

    def save(self, ask: SelectionAsk) -> dict[str, Any]:
        """Writes the whole configuration with these thresholds; {path, command}: what to run to build with it."""
        thresholds = self._selector.thresholds(ask.thresholds)
        config = {section: dict(v) if isinstance(v, dict) else v for section, v in self._clips.config.items()}
        bars = {bar.setting: bar for bar in self._clips.bars}
        for setting, value in thresholds.items():
            bar, (section, _, field) = bars[setting], setting.partition(".")
            low = -math.inf if bar.minimum is None else bar.minimum
            high = math.inf if bar.maximum is None else bar.maximum
            if not low <= value <= high:
                raise UserError(f"{setting} is {value:g}: it must lie between {low:g} and {high:g}")
            whole = isinstance(config[section][field], int) and value == int(value)
            config[section][field] = int(value) if whole else value
        if ask.dedup is not None:
            config["dedup"] = ask.dedup.model_dump(mode="json")
        config["score_only"] = self._selector.lifted(ask.thresholds)
        name = f"{ask.name}.yaml"
        if self._selections.exists(name) and not ask.replace:
            raise Exists(f"{name} exists: save it under another name, or replace it")
        path = f"{self._selections.location}/{name}"
        try:
            self._selections.write(name, yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode())
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
        tool = sys.argv[0] if Path(sys.argv[0]).name == "humove" else "humove"
        return {"path": path, "command": shlex.join([tool, "reselect", self._source(), "OUT", "--preset", path])}

    def histogram(self, column: str) -> dict[str, Any]:
        """{edges, kept, rejected}: how a column of numbers is spread; the outer bins hold the outermost 0.5 % too."""
        values = self._columns.numbers(column)
        known = np.isfinite(values)
        if not known.any():
            return {"edges": [], "kept": [], "rejected": []}
        low, high = np.quantile(values[known], (0.005, 0.995))
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        inside = np.clip(values, edges[0], edges[-1])
        kept = self._selector.kept_before
        counted = (np.histogram(inside[known & who], bins=edges)[0].tolist() for who in (kept, ~kept))
        return dict(zip(("edges", "kept", "rejected"), (edges.tolist(), *counted), strict=True))

    def clip(self, clip_id: str) -> dict[str, Any] | None:
        """A clip's page: its row, what is known of it, its way through the stages, and its neighbours."""
        row = self._rows.get(clip_id)
        if row is None:
            return None
        data, values = self.data(clip_id), self._clips.frame.iloc[row]
        listed = self._listed(np.array([row]), self._selector.select({}))[0]
        return {
            "row": listed,
            "meta": data.meta if data else {},
            "path": clip_path(self._clips, values),
            "previous": self._ids[row - 1] if row else None,
            "next": self._ids[row + 1] if row + 1 < len(self._ids) else None,
            # Whether another source than the shards has a video shows when it is asked for it: cutting it takes time.
            "has_video": any(not isinstance(m, ShardMedia) or m.mp4(clip_id) is not None for m in self._media),
            "has_motion": bool(data and data.motion is not None),
            "has_keypoints": bool(data and data.pose2d is not None),
        }

    def data(self, clip_id: str) -> ClipData | None:
        """The clip's arrays, from the first source that knows it."""
        return self._first(clip_id, lambda media: media.sample(clip_id))

    def mp4(self, clip_id: str) -> Mp4 | None:
        """The clip's video, from the first source that has it."""
        return self._first(clip_id, lambda media: media.mp4(clip_id))

    def _first(self, clip_id: str, ask: Callable[[Media], T | None]) -> T | None:
        if clip_id not in self._rows:
            return None
        for media in self._media:
            with suppress(OSError, EOFError, av.FFmpegError):  # a file that is gone or damaged cannot be had
                found = ask(media)
                if found is not None:
                    return found
        return None

    def thumbnail(self, clip_id: str, plain: bool) -> bytes | None:
        """The middle frame as JPEG, 320 px wide; with the body drawn over the person unless `plain`."""

        def make() -> bytes | None:
            frame = self._first(clip_id, lambda media: media.still(clip_id))
            return None if frame is None else jpeg(picture(frame, None if plain else self.data(clip_id), self._body))

        return self._pictures.get(clip_id, plain, make)

    def mark(self, ask: MarkAsk) -> dict[str, str]:
        """Marks a clip of the table; UserError for one that is not in it."""
        if ask.clip_id not in self._rows:
            raise UserError(f"no clip {ask.clip_id[:80]!r} to mark")
        return self.marks.add(ask.clip_id, ask.mark, ask.why).model_dump()


def _plain(value: Any) -> Any:
    """A value of the table as JSON has it: None where there is none."""
    if isinstance(value, str | bool) or value is None:
        return value
    if pd.isna(value):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value if not isinstance(value, float) or np.isfinite(value) else None
