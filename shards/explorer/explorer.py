"""The explorer's documents about a data set, ready for JSON. No HTTP here."""

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

from humove.errors import UserError
from humove.motion.body import Body
from humove.storage import Store, open_store
from shards.clips_table import CPU, SCORE, ClipTable
from shards.explorer.asks import ClipsRequest, LabelRequest, SaveRequest, SelectRequest
from shards.explorer.body import make_skeleton_document
from shards.explorer.clip import make_stage_documents
from shards.explorer.funnel import make_funnel_document
from shards.explorer.media import ClipData, Media, Mp4, ShardMedia
from shards.explorer.query import Columns, TableView, describe_columns
from shards.explorer.selection import KEPT, OUTCOMES, Selection, Selector
from shards.explorer.thumbnail import ThumbnailCache, draw_thumbnail, encode_jpeg
from shards.labels import LabelFile, StoredLabels
from shards.reader import Dataset

_LABELS = ("", "good", "bad")
_BINS = 40
T = TypeVar("T")


class SelectionExistsError(UserError):
    """A selection of that name exists already."""


class Explorer:
    """A table of clips, their media and their labels."""

    def __init__(
        self,
        *,
        dataset: Dataset | None,
        clips: ClipTable,
        media: Sequence[Media],
        labels: Path | Store,
        selections: Path | Store,
        building: bool,
        running: bool,
    ) -> None:
        self._dataset, self._clips, self._media = dataset, clips, tuple(media)
        self._building, self._running = building, running
        self.labels = LabelFile(labels) if isinstance(labels, Path) else StoredLabels(labels)
        self._selections = selections if isinstance(selections, Store) else open_store(selections)
        self._columns, self._selector = Columns(clips.frame), Selector(clips)
        self._ids = clips.frame["clip_id"].to_numpy(dtype=object)
        self._rows = {clip_id: row for row, clip_id in enumerate(self._ids)}
        self._scores = [name for name in clips.frame.columns if name.startswith(SCORE)]
        self._thumbnails, self._body = ThumbnailCache(), Body.load()
        self._columns.search("a")  # prepares the index, so that the first search is fast

    def describe_dataset(self) -> dict[str, Any]:
        """Return what the page needs before it requests clips."""
        frame, doc, dedup = self._clips.frame, self._dataset.doc if self._dataset else None, self._selector.get_dedup()
        kept = self._selector.kept_in_build
        return {
            "name": self._get_location().rstrip("/").rpartition("/")[2],
            "building": self._building,
            "running": self._running,
            "complete": self._clips.complete,
            "score_only": self._selector.ignores_thresholds({}),
            "num_clips": len(frame),
            "num_kept": int(kept.sum()),
            "num_videos": int(frame["video_id"].nunique()),
            "hours_kept": round(float(np.nansum(self._selector.seconds[kept])) / 3600, 6),
            "config_hash": doc.config_hash if doc else "",
            "columns": describe_columns(self._columns, self._list_values()),
            "thresholds": [
                {
                    "setting": threshold.setting,
                    "score": threshold.score,
                    "stage": stage.stage,
                    "at_least": threshold.at_least,
                    "reason": str(threshold.reason),
                    "description": threshold.description,
                    "low": threshold.low,
                    "high": threshold.high,
                    "minimum": threshold.minimum,
                    "maximum": threshold.maximum,
                    "limit": self._clips.get_limit(threshold.setting),
                }
                for stage in self._clips.stage_thresholds
                for threshold in stage.thresholds
            ],
            "dedup": dedup.model_dump(mode="json"),
            **make_skeleton_document(),
        }

    def _list_values(self) -> dict[str, Sequence[str]]:
        """Return the possible values of the columns that change; none for free text."""
        now = self._selector.select({})
        verdict = {"now": OUTCOMES, "now_stage": now.stages, "now_reason": now.reasons}
        return {**verdict, "label": _LABELS, "label_reason": ()}

    def _get_location(self) -> str:
        """Return the location of the data set or of the running build, valid from any working directory."""
        return self._dataset.store.location if self._dataset else self._selections.location.rpartition("/")[0]

    def list_clips(self, request: ClipsRequest) -> dict[str, Any]:
        """Return a window of the clips that match, and the groups of all that match."""
        selection = self._selector.select(request.thresholds, request.dedup)
        view = TableView(self._columns, self._make_changing_columns(selection))
        rows = view.find_rows(request.search, request.filters)
        positions, groups = None, []
        if request.group is not None:
            positions, groups = view.group_rows(rows, request.group, selection.outcome == KEPT)
        window = view.sort_rows(rows, request.sort, positions)[request.offset : request.offset + request.limit]
        documents = self._make_row_documents(window, selection)
        return {"total": len(rows), "offset": request.offset, "rows": documents, "groups": groups}

    def _make_changing_columns(self, selection: Selection) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        labels = self.labels.read()
        label_codes, reason_codes = np.zeros(len(self._ids), np.int64), np.zeros(len(self._ids), np.int64)
        reasons = list(dict.fromkeys(["", *(label.why for label in labels.values())]))
        codes = {reason: code for code, reason in enumerate(reasons)}
        for clip_id, label in labels.items():
            if clip_id in self._rows:
                row = self._rows[clip_id]
                label_codes[row], reason_codes[row] = _LABELS.index(label.mark), codes[label.why]
        return {
            "now": (selection.outcome, np.array(OUTCOMES, dtype=object)),
            "now_stage": (selection.stage, np.array(selection.stages, dtype=object)),
            "now_reason": (selection.reason, np.array(selection.reasons, dtype=object)),
            "label": (label_codes, np.array(_LABELS, dtype=object)),
            "label_reason": (reason_codes, np.array(reasons, dtype=object)),
        }

    def _make_row_documents(self, rows: np.ndarray, selection: Selection) -> list[dict[str, Any]]:
        frame = self._clips.frame.iloc[rows].drop(columns="signature")
        labels = self.labels.read()
        documents = []
        for row, values in zip(rows.tolist(), frame.to_dict("records"), strict=True):
            plain = {name: _to_json(value) for name, value in values.items() if not name.startswith((SCORE, CPU))}
            label = labels.get(values["clip_id"])
            documents.append(
                {
                    **plain,
                    "now": OUTCOMES[selection.outcome[row]],
                    "now_stage": selection.stages[selection.stage[row]],
                    "now_reason": selection.reasons[selection.reason[row]],
                    "label": label.mark if label else "",
                    "label_reason": label.why if label else "",
                    "scores": {name.removeprefix(SCORE): _to_json(values[name]) for name in self._scores},
                    "cpu": {n.removeprefix(CPU): _to_json(v) for n, v in values.items() if n.startswith(CPU)},
                }
            )
        return documents

    def count_selection(self, request: SelectRequest) -> dict[str, Any]:
        """Return the funnel under changed thresholds."""
        return make_funnel_document(self._selector, self._selector.select(request.thresholds, request.dedup))

    def save_selection(self, request: SaveRequest) -> dict[str, Any]:
        """Write the whole configuration with these thresholds; return {path, command}, the command that builds it."""
        limits = self._selector.resolve_limits(request.thresholds)
        config = {section: dict(v) if isinstance(v, dict) else v for section, v in self._clips.config.items()}
        known = {threshold.setting: threshold for threshold in self._clips.thresholds}
        for setting, value in limits.items():
            threshold, (section, _, field) = known[setting], setting.partition(".")
            low = -math.inf if threshold.minimum is None else threshold.minimum
            high = math.inf if threshold.maximum is None else threshold.maximum
            if not low <= value <= high:
                raise UserError(f"{setting} is {value:g}; it must be between {low:g} and {high:g}")
            whole = isinstance(config[section][field], int) and value == int(value)
            config[section][field] = int(value) if whole else value
        if request.dedup is not None:
            config["dedup"] = request.dedup.model_dump(mode="json")
        config["score_only"] = self._selector.ignores_thresholds(request.thresholds)
        name = f"{request.name}.yaml"
        if self._selections.exists(name) and not request.replace:
            raise SelectionExistsError(f"{name} exists; choose another name, or replace it")
        path = f"{self._selections.location}/{name}"
        try:
            self._selections.write(name, yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode())
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
        program = sys.argv[0] if Path(sys.argv[0]).name == "humove" else "humove"
        command = [program, "reselect", self._get_location(), "OUT", "--preset", path]
        return {"path": path, "command": shlex.join(command)}

    def compute_histogram(self, column: str) -> dict[str, Any]:
        """Return {edges, kept, rejected} of a numeric column; the outer bins also count the outermost 0.5 %."""
        values = self._columns.get_numbers(column)
        known = np.isfinite(values)
        if not known.any():
            return {"edges": [], "kept": [], "rejected": []}
        low, high = np.quantile(values[known], (0.005, 0.995))
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        inside = np.clip(values, edges[0], edges[-1])
        kept = self._selector.kept_in_build
        counted = (np.histogram(inside[known & clips], bins=edges)[0].tolist() for clips in (kept, ~kept))
        return dict(zip(("edges", "kept", "rejected"), (edges.tolist(), *counted), strict=True))

    def describe_clip(self, clip_id: str) -> dict[str, Any] | None:
        """Return the contents of a clip's page: row, metadata, stages and neighbours; None for an unknown clip."""
        row = self._rows.get(clip_id)
        if row is None:
            return None
        data, values = self.read_clip(clip_id), self._clips.frame.iloc[row]
        return {
            "row": self._make_row_documents(np.array([row]), self._selector.select({}))[0],
            "meta": data.meta if data else {},
            "stages": make_stage_documents(self._clips, values),
            "previous": self._ids[row - 1] if row else None,
            "next": self._ids[row + 1] if row + 1 < len(self._ids) else None,
            # Cutting a video from its source takes time, so other media than shards are not checked here.
            "has_video": any(not isinstance(m, ShardMedia) or m.get_mp4(clip_id) is not None for m in self._media),
            "has_motion": bool(data and data.motion is not None),
            "has_keypoints": bool(data and data.pose2d is not None),
        }

    def read_clip(self, clip_id: str) -> ClipData | None:
        """Read the clip's arrays from the first source that knows it."""
        return self._find_in_media(clip_id, lambda media: media.read_clip(clip_id))

    def get_mp4(self, clip_id: str) -> Mp4 | None:
        """Return the clip's video from the first source that has it."""
        return self._find_in_media(clip_id, lambda media: media.get_mp4(clip_id))

    def _find_in_media(self, clip_id: str, find: Callable[[Media], T | None]) -> T | None:
        if clip_id not in self._rows:
            return None
        for media in self._media:
            with suppress(OSError, EOFError, av.FFmpegError):  # a missing or damaged file
                found = find(media)
                if found is not None:
                    return found
        return None

    def get_thumbnail(self, clip_id: str, plain: bool) -> bytes | None:
        """Return the middle frame as JPEG, 320 px wide; with the body drawn over the person unless `plain`."""

        def render() -> bytes | None:
            frame = self._find_in_media(clip_id, lambda media: media.read_frame(clip_id))
            if frame is None:
                return None
            return encode_jpeg(draw_thumbnail(frame, None if plain else self.read_clip(clip_id), self._body))

        return self._thumbnails.get(clip_id, plain, render)

    def add_label(self, request: LabelRequest) -> dict[str, str]:
        """Label a clip of the table; UserError for an unknown clip."""
        if request.clip_id not in self._rows:
            raise UserError(f"no clip {request.clip_id[:80]!r} in the table")
        label = self.labels.add(request.clip_id, request.label, request.reason)
        return {"clip_id": label.clip_id, "label": label.mark, "reason": label.why, "time": label.time}


def _to_json(value: Any) -> Any:
    """Convert a value of the table to JSON; None for a missing value."""
    if isinstance(value, str | bool) or value is None:
        return value
    if pd.isna(value):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value if not isinstance(value, float) or np.isfinite(value) else None
