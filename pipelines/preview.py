"""Pictures of clips that no shard holds: cut from the source when somebody wants to look, with what was measured."""

import threading
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from humove.atomic import replacing
from humove.body import Body
from humove.overlay import overlay_row
from humove.types import Clip
from humove.video.encode import EncodeConfig, encode
from humove.video.frames import ClipFrames
from humove.video.scan import Scan
from pipelines.config import configured
from pipelines.fetch import FetchError, local_file
from pipelines.inputs import InputRef
from pipelines.ledger import Ledger
from pipelines.plan import Plan
from pipelines.stages.pack import stored_motion, stored_pose
from pipelines.walk import ClipState, InputState, walk
from shards.clips import ClipTable
from shards.explorer.media import ClipData
from shards.format import LEDGER_FOLDER
from shards.reader import Dataset

_SIDE = 720
"""px: the shorter side of a picture that is cut only to be looked at, at the most."""


def ledger_media(dataset: Dataset, clips: ClipTable, folder: Path) -> "LedgerMedia | None":
    """The clips of a finished data set that no shard holds; None where its ledger is gone, or not on this machine."""
    ledger = Ledger(Path(dataset.path) / LEDGER_FOLDER)
    if not ledger.batch_numbers():
        return None
    return LedgerMedia(Plan.of(configured(dataset.doc.model_dump()["config"], []), ledger), clips, folder)


class LedgerMedia:
    """Any clip that a ledger knows. Videos are cut once and kept in `folder`, which is the caller's to remove.

    May be asked by several threads: one cuts at a time.
    """

    def __init__(self, plan: Plan, clips: ClipTable, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._cutting = threading.Lock()
        self._uris = dict(zip(clips.frame["clip_id"], clips.frame["uri"], strict=True))

    def mp4(self, clip_id: str) -> Path | None:
        """The video that the build encoded, or, where it came not so far, one cut now; None where the source is gone
        or the clip is unknown."""
        state = self._state(clip_id)
        if state is None:
            return None
        clip = state.clip
        encoded = self._plan.ledger.clip(clip_id).file("encode", self._plan.clip_keys(clip)["encode"], "mp4")
        if encoded.exists():
            return encoded
        target = self._folder / f"{clip_id}.mp4"
        with self._cutting:
            if not target.exists() and not self._cut(clip, target):
                return None
        return target

    def still(self, clip_id: str, index: int | None = None) -> np.ndarray | None:
        """Frame `index` (the middle one where None) as `mp4` shows it, (H, W, 3) uint8 RGB, at the cost of one frame;
        None where `mp4` is."""
        state = self._state(clip_id)
        if state is None:
            return None
        clip = state.clip
        rows = self._source_frames(clip)
        at = int(rows[len(rows) // 2 if index is None else index])
        pictures: list[np.ndarray] = []

        def look(frames: ClipFrames, window: dict) -> None:
            x0, y0, x1, y1 = window["xyxy"]
            size = (window["width"], window["height"])
            pictures.append(cv2.resize(frames.rgb(0)[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA))

        self._with_frames(clip, at, at + 1, look)
        return pictures[0] if pictures else None

    def drawn(self, clip_id: str) -> np.ndarray | None:
        """`still`, with the body over the person where there is motion."""
        picture, data = self.still(clip_id), self.sample(clip_id)
        if picture is None or data.motion is None or data.pose2d is None:
            return picture
        return overlay_row(picture, self._body, data.motion, data.pose2d, len(data.motion.valid) // 2)

    def sample(self, clip_id: str) -> ClipData | None:
        """What was measured of the clip, in px of what `mp4` shows; None for a clip that is unknown."""
        state = self._state(clip_id)
        if state is None:
            return None
        clip, plan = state.clip, self._plan
        place, keys = plan.ledger.clip(clip_id), plan.clip_keys(clip)
        track, caption = place.read("track", keys["track"]), place.read("caption", keys["caption"])
        crop = place.read("crop", keys["crop"])
        has = {
            step: (record := place.read(step, keys[step])) is not None and record.reject is None
            for step in ("pose2d", "motion")
        }
        meta = {
            "key": clip_id,
            "video_id": clip.video.video_id,
            "uri": clip.video.uri,
            "span": {"start_frame": clip.start_frame, "end_frame": clip.end_frame},
            "rights": {name: getattr(clip.video.source, name) for name in ("licence", "source_url", "consent")},
            "scores": state.scores,
        }
        if track is not None:
            meta["fps"] = "{}/{}".format(*track.facts["fps"])
        if caption is not None and caption.reject is None:
            meta["captions"] = caption.facts
        if crop is None or crop.reject is not None:
            return ClipData(motion=None, pose2d=None, meta=meta)
        window = crop.facts
        shown = np.array([clip.video.width / track.facts["width"], clip.video.height / track.facts["height"]] * 2)
        meta |= {"width": window["width"], "height": window["height"]}
        meta["crop_xyxy"] = (np.array(window["xyxy"]) * shown).tolist()
        return ClipData(
            motion=stored_motion(place, keys, window) if has["motion"] else None,
            pose2d=stored_pose(place, keys, window) if has["pose2d"] else None,
            meta=meta,
        )

    def _source_frames(self, clip: Clip) -> np.ndarray:
        """(N,) which source frame each frame of the clip shows."""
        place, keys = self._plan.ledger.clip(clip.clip_id), self._plan.clip_keys(clip)
        if place.read("track", keys["track"]) is None:
            return np.arange(clip.start_frame, clip.end_frame)
        return place.arrays("track", keys["track"])["source_frames"]

    @cached_property
    def _body(self) -> Body:
        return Body.load()

    @cached_property
    def _items(self) -> dict[str, list[InputRef]]:
        """Inputs by uri: several, where a file was replaced by another of its name."""
        items: dict[str, list[InputRef]] = defaultdict(list)
        for number in self._plan.ledger.batch_numbers():
            for item in self._plan.ledger.batch(number):
                items[item.uri].append(item)
        return items

    def _input(self, clip_id: str) -> InputState | None:
        """The input that the clip is of."""
        for item in self._items.get(self._uris.get(clip_id, ""), []):
            (state,) = walk(self._plan, [item], set())
            if state.video_id == clip_id.partition("-")[0]:
                return state
        return None

    def _state(self, clip_id: str) -> ClipState | None:
        state = self._input(clip_id)
        clips = (clip for shot in state.shots for clip in shot.clips) if state else ()
        return next((clip for clip in clips if clip.clip.clip_id == clip_id), None)

    def _cut(self, clip: Clip, target: Path) -> bool:
        def write(frames: ClipFrames, window: dict) -> None:
            with replacing(target) as temporary:
                encode(frames, tuple(window["xyxy"]), window["width"], window["height"], temporary, EncodeConfig())

        return self._with_frames(clip, clip.start_frame, clip.end_frame, write)

    def _with_frames(self, clip: Clip, start: int, end: int, use: Callable[[ClipFrames, dict], None]) -> bool:
        """Gives `use` the source's frames and the stored window of them; False where the source cannot be had."""
        plan, state = self._plan, self._input(clip.clip_id)
        place, keys = plan.ledger.clip(clip.clip_id), plan.clip_keys(clip)
        scans = plan.scan_stage()
        scan = Scan.from_arrays(plan.ledger.video(clip.video.video_id).arrays(scans.name, scans.key()))
        crop = place.read("crop", keys["crop"])
        settings = plan.frame_settings if crop is not None else {"max_short_side": _SIDE}
        try:
            with (
                local_file(state.item, self._folder) as path,
                ClipFrames(
                    path,
                    probe=state.probe,
                    scan=scan,
                    start_frame=start,
                    end_frame=end,
                    scratch=self._folder,
                    **settings,
                ) as frames,
            ):
                use(frames, crop.facts if crop is not None and crop.reject is None else _whole(frames))
        except (FetchError, ConnectionError):
            return False
        return True


def _whole(frames: ClipFrames) -> dict:
    return {"xyxy": (0, 0, frames.width, frames.height), "width": frames.width, "height": frames.height}
