"""Videos, frames and measurements of clips that no shard holds, cut from the source on demand."""

import tempfile
import threading
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np

from humove.drawing.overlay import draw_overlay_row
from humove.motion.body import Body
from humove.storage import Store
from humove.storage.atomic import replace_atomically
from humove.types import Clip
from humove.video.encode import EncodeConfig, encode_clip
from humove.video.frames import ClipFrames
from pipelines.assembly.sample import move_motion, move_pose
from pipelines.config import make_config
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.engine.resolve import BatchStates, VideoState, resolve_batch
from pipelines.engine.rows import from_json
from pipelines.engine.unit_work import read_records
from pipelines.inputs.cache import SourceCache, SourceUnavailable
from pipelines.labels import load_build_labels
from pipelines.stages.motion import unpack_motion
from pipelines.stages.pose2d import unpack_pose
from pipelines.stages.records import UnitRecords, make_owner_name
from pipelines.stages.video.scan_video import read_scan_span
from shards.clips_table import ClipTable
from shards.explorer.media import ClipData
from shards.reader import Dataset

_SIDE = 720
"""px: maximum shorter side of a frame that is cut for viewing only."""
_BATCHES = 2
"""Batches whose state is held in memory."""
_CACHE_BYTES = 2_000_000_000
_GONE = (SourceUnavailable, ConnectionError, RuntimeError)


def open_ledger_media(dataset: Dataset, clips: ClipTable, folder: Path) -> "LedgerMedia | None":
    """Open the clips of a finished data set that no shard holds; None if its ledger is gone or of another version."""
    ledger = Ledger(dataset.store)
    if (ledger.read_json("engine.json") or {}).get("version") is None or not ledger.list_batch_numbers():
        return None
    config = make_config(dataset.doc.model_dump()["config"], [])
    return LedgerMedia(
        Plan.from_config(config, load_build_labels(config.labels, dataset.store)), dataset.store, clips, folder
    )


class _KnownClip:
    """A clip with all of its entries in the ledger."""

    def __init__(self, plan: Plan, store: Store, row: dict, video: VideoState, scores: dict[str, float]) -> None:
        self.plan, self.row, self.video, self.scores = plan, row, video, scores
        self.clip = Clip(
            clip_id=row["clip_id"],
            video=video.video,
            shot_index=row["shot_index"],
            start_frame=row["start_frame"],
            end_frame=row["end_frame"],
        )
        self.facts = from_json(row["facts"]) or {}
        self._store = store

    @cached_property
    def records(self) -> UnitRecords:
        origins = tuple(self.row["origin"].split("\n")) if self.row["origin"] else ()
        return read_records(self._store, self.row["unit"], origins)

    def get_arrays(self, step: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of a step; None if it did not run, or rejected the clip."""
        key = self.plan.step_keys[step]
        record = self.records.get(make_owner_name(self.clip), step, key)
        if record is None or record.reject is not None:
            return None
        return self.records.read_arrays(make_owner_name(self.clip), step, key)

    @property
    def window(self) -> dict | None:
        """The stored window of the decoded frame; None if it was not chosen."""
        return self.facts.get("crop")


class LedgerMedia:
    """All clips in a ledger. Videos are cut once and kept in `folder`, which the caller removes.

    Thread-safe: one thread cuts at a time.
    """

    def __init__(self, plan: Plan, store: Store, clips: ClipTable, folder: Path) -> None:
        self._plan, self._store, self._folder = plan, store, folder
        self._ledger = Ledger(store)
        self._cutting = threading.Lock()
        self._batches = dict(zip(clips.frame["clip_id"], clips.frame["batch"], strict=True))
        self._resolve = lru_cache(maxsize=_BATCHES)(self._read_batch)
        self._cache = SourceCache(folder / "sources", _CACHE_BYTES)

    def get_mp4(self, clip_id: str) -> Path | None:
        """Return the encoded video, or one cut now if there is none; None if the source is gone or the clip unknown."""
        known = self._find_clip(clip_id)
        if known is None:
            return None
        target = self._folder / f"{clip_id}.mp4"
        with self._cutting:
            if not target.exists() and not self._copy_encoded(known, target) and not self._cut_video(known, target):
                return None
        return target

    def read_frame(self, clip_id: str, index: int | None = None) -> np.ndarray | None:
        """Return frame `index` (None: the middle one) of `get_mp4`, (H, W, 3) uint8 RGB, by decoding one frame.

        None where `get_mp4` is None.
        """
        known = self._find_clip(clip_id)
        if known is None:
            return None
        track = known.get_arrays("track")
        clip = known.clip
        rows = np.arange(clip.start_frame, clip.end_frame) if track is None else track["source_frames"]
        at = int(rows[len(rows) // 2 if index is None else index])
        found: list[np.ndarray] = []

        def take(frames: ClipFrames, window: dict) -> None:
            x0, y0, x1, y1 = window["xyxy"]
            size = (window["width"], window["height"])
            found.append(cv2.resize(frames.read_rgb(0)[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA))

        self._use_frames(known, at, at + 1, take)
        return found[0] if found else None

    def draw_still(self, clip_id: str) -> np.ndarray | None:
        """Return `read_frame` with the body drawn over the person, if there is motion."""
        frame, data = self.read_frame(clip_id), self.read_clip(clip_id)
        if frame is None or data.motion is None or data.pose2d is None:
            return frame
        return draw_overlay_row(frame, self._body, data.motion, data.pose2d, len(data.motion.valid) // 2)

    def read_clip(self, clip_id: str) -> ClipData | None:
        """Return the clip's measurements, in px of `get_mp4`; None for an unknown clip."""
        known = self._find_clip(clip_id)
        if known is None:
            return None
        clip, facts, window = known.clip, known.facts, known.window
        source = clip.video.source
        meta = {
            "key": clip_id,
            "video_id": clip.video.video_id,
            "uri": clip.video.uri,
            "span": {"start_frame": clip.start_frame, "end_frame": clip.end_frame},
            "rights": {name: getattr(source, name) for name in ("licence", "source_url", "consent")},
            "scores": known.scores,
        }
        if "track" in facts:
            meta["fps"] = "{}/{}".format(*facts["track"]["fps"])
        if "caption" in facts:
            meta["captions"] = facts["caption"]
        if window is None:
            return ClipData(motion=None, pose2d=None, meta=meta)
        track = facts["track"]
        zoom = np.array([clip.video.width / track["width"], clip.video.height / track["height"]] * 2)
        meta |= {"width": window["width"], "height": window["height"]}
        meta["crop_xyxy"] = (np.array(window["xyxy"]) * zoom).tolist()
        motion, pose = known.get_arrays("motion"), known.get_arrays("pose2d")
        return ClipData(
            motion=None if motion is None else move_motion(unpack_motion(motion), window),
            pose2d=None if pose is None else move_pose(unpack_pose(pose), window),
            meta=meta,
        )

    @cached_property
    def _body(self) -> Body:
        return Body.load()

    def _read_batch(self, number: int) -> tuple[BatchStates, dict[str, int]]:
        state = self._ledger.open_state(number)
        states = resolve_batch(self._plan, self._ledger.read_batch(number), state.read(), set())
        return states, {clip_id: place for place, clip_id in enumerate(states.clips.clip_ids)}

    def _find_clip(self, clip_id: str) -> _KnownClip | None:
        number = self._batches.get(clip_id)
        if number is None:
            return None
        states, places = self._resolve(int(number))
        place = places.get(clip_id)
        if place is None:
            return None
        (row,) = states.clips.rows.slice(place, 1).to_pylist()
        video = states.videos[states.clips.video[place]]
        return _KnownClip(self._plan, self._store, row, video, states.clips.get_scores(place))

    def _copy_encoded(self, known: _KnownClip, target: Path) -> bool:
        """Write the encoded video of the ledger to `target`; False if it is not there."""
        row = known.row
        if not row["mp4_file"] or row["mp4_origin"] or row.get("key.encode") != self._plan.step_keys["encode"]:
            return False
        try:
            raw = self._store.read_range(row["mp4_file"], row["mp4_offset"], row["mp4_offset"] + row["mp4_bytes"])
        except (FileNotFoundError, EOFError):
            return False
        target.write_bytes(raw)
        return True

    def _cut_video(self, known: _KnownClip, target: Path) -> bool:
        def write(frames: ClipFrames, window: dict) -> None:
            with replace_atomically(target) as temporary:
                encode_clip(frames, tuple(window["xyxy"]), window["width"], window["height"], temporary, EncodeConfig())

        return self._use_frames(known, known.clip.start_frame, known.clip.end_frame, write)

    def _use_frames(self, known: _KnownClip, start: int, end: int, use: Callable[[ClipFrames, dict], None]) -> bool:
        """Call `use` with the source's frames and their stored window; False if the source is unavailable."""
        plan, probe = self._plan, known.video.probe
        settings = plan.frame_settings if known.window is not None else {"max_short_side": _SIDE}
        try:
            span = read_scan_span(known.records, plan.scan_key, probe, start, end)
            with (
                tempfile.TemporaryDirectory(dir=self._folder) as scratch,
                self._cache.open(known.video.item) as path,
                ClipFrames(
                    path,
                    probe=probe,
                    scan=span,
                    start_frame=start,
                    end_frame=end,
                    scratch=Path(scratch),
                    **settings,
                ) as frames,
            ):
                use(frames, known.window or _make_full_window(frames))
        except _GONE:
            return False
        return True


def _make_full_window(frames: ClipFrames) -> dict:
    return {"xyxy": (0, 0, frames.width, frames.height), "width": frames.width, "height": frames.height}
