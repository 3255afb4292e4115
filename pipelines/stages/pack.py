"""Puts kept clips together as samples and packs them into one shard."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from annotators.registry import chosen
from humove.atomic import write_text
from humove.camera import crop_intrinsics
from humove.stage import Emit, Resources
from humove.types import Caption, Pose2D, Sample, SmplMotion, WorldCamera
from pipelines.category import category_of
from pipelines.inputs import InputRef
from pipelines.ledger import Place
from pipelines.plan import Plan
from pipelines.stages.pose2d import as_stored, pose_from_arrays
from pipelines.walk import ClipState, walk
from shards.documents import SampleMeta, ShardRow
from shards.format import WORLD_MEMBER, parse_shard_name
from shards.index import index_row
from shards.npz import decode_world
from shards.writer import ShardWriter

BODY_MODEL = {"name": "anny-smpl24", "licence": "Apache-2.0 (code), CC0-1.0 (data)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """One shard: its name, and its samples in key order with the inputs that they come from."""

    folder: Path
    name: str
    samples: tuple[tuple[str, InputRef], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A shard that lies on disk, and the file with its rows of the index, a JSON object a line."""

    shard: ShardRow
    rows_file: Path


class PackStage:
    """ShardJob -> a tar."""

    name = "pack"
    version = "1"
    batch_size = 1
    resources = Resources(cpus=1)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def setup(self) -> None:
        """Nothing to load."""

    def process(self, batch: Sequence[ShardJob]) -> list[Emit[Packed]]:
        return [self._one(job) for job in batch]

    def _one(self, job: ShardJob) -> Emit[Packed]:
        split, number = parse_shard_name(job.name)
        config_hash, annotators = self.plan.config_hash, self.plan.annotators()
        rows: list[str] = []
        states: dict[str, ClipState] = {}
        writer = ShardWriter(job.folder, split, first_number=number, max_bytes=1 << 62, max_samples=1 << 62)
        with writer:
            for clip_id, item in job.samples:
                if clip_id not in states:  # samples are in key order, so those of one video stand together
                    states = _states(self.plan, item)
                sample = assemble(self.plan, states[clip_id], split, config_hash, annotators)
                placement = writer.write(sample)
                rows.append(json.dumps(index_row(SampleMeta.model_validate(sample.meta), placement)))
        rows_file = self.plan.ledger.index_part(job.name)
        write_text(rows_file, "".join(row + "\n" for row in rows))
        return Emit(outputs=(Packed(shard=writer.shards[0], rows_file=rows_file),))


def _states(plan: Plan, item: InputRef) -> dict[str, ClipState]:
    (state,) = walk(plan, [item], set())
    return {clip.clip.clip_id: clip for shot in state.shots for clip in shot.clips}


def assemble(plan: Plan, state: ClipState, split: str, config_hash: str, annotators: list[dict]) -> Sample:
    """A sample from a clip's records: motion and keypoints moved from the decoded picture into the stored one."""
    clip, video = state.clip, state.clip.video
    place, keys = plan.ledger.clip(clip.clip_id), plan.clip_keys(clip)
    crop = place.read("crop", keys["crop"]).facts
    track = place.read("track", keys["track"]).facts
    said = place.read("caption", keys["caption"]).facts
    shown = place.read("category", keys["category"]).facts if "category" in keys else {}
    caption = {name: said[name] for name in Caption.__dataclass_fields__}
    if video.source.caption:
        caption |= {"full": video.source.caption, "source": f"manifest, {caption['source']}"}
    motion = stored_motion(place, keys, crop)
    focal = place.read("motion", keys["motion"]).facts["focal"]
    xyxy = crop["xyxy"]
    zoom = np.array([video.width / track["width"], video.height / track["height"]] * 2)
    meta = {
        "key": clip.clip_id,
        "video_id": video.video_id,
        "uri": video.uri,
        "span": {
            "start_frame": clip.start_frame,
            "end_frame": clip.end_frame,
            "start_s": state.times[0],
            "end_s": state.times[1],
        },
        "shot_index": clip.shot_index,
        "crop_xyxy": [float(v) for v in np.array(xyxy) * zoom],
        "fps": f"{track['fps'][0]}/{track['fps'][1]}",
        "width": crop["width"],
        "height": crop["height"],
        "num_frames": len(motion.valid),
        "captions": caption,
        "category": category_of(plan.config.category, video.source, said, shown),
        "scores": {name: float(value) for name, value in sorted(state.scores.items())},
        "cam": {"focal_px": [float(motion.cam_intrinsics[i, i]) for i in (0, 1)], **focal},
        "body_model": _body_model(plan),
        "annotators": annotators,
        "rights": {name: getattr(video.source, name) for name in ("licence", "source_url", "consent")},
        "config_hash": config_hash,
    }
    return Sample(
        key=clip.clip_id,
        split=split,
        mp4=place.file("encode", keys["encode"], "mp4").read_bytes(),
        motion=motion,
        pose2d=as_stored(stored_pose(place, keys, crop), plan.config.pose2d),
        meta=meta,
        world=stored_world(place, keys),
    )


def stored_world(place: Place, keys: dict[str, str]) -> WorldCamera | None:
    """The camera's path, where the motion's annotator knew it."""
    path = place.file("motion", keys["motion"], WORLD_MEMBER)
    return decode_world(path.read_bytes()) if path.is_file() else None


def stored_motion(place: Place, keys: dict[str, str], crop: dict) -> SmplMotion:
    """A clip's motion, seen through the camera of the stored picture."""
    motion = SmplMotion(**place.arrays("motion", keys["motion"]))
    intrinsics = crop_intrinsics(motion.cam_intrinsics, crop["xyxy"], crop["width"], crop["height"])
    return replace(motion, cam_intrinsics=intrinsics)


def stored_pose(place: Place, keys: dict[str, str], crop: dict) -> Pose2D:
    """A clip's keypoints, in px of the stored picture."""
    pose = pose_from_arrays(place.arrays("pose2d", keys["pose2d"]))
    x0, y0, x1, y1 = crop["xyxy"]
    zoom = np.array([crop["width"] / (x1 - x0), crop["height"] / (y1 - y0)])
    keypoints = ((pose.keypoints - np.array((x0, y0))) * zoom).astype(np.float32)
    return Pose2D(keypoints=keypoints, scores=pose.scores, skeleton=pose.skeleton, names=pose.names)


def _body_model(plan: Plan) -> dict[str, str]:
    """The body that the motion annotator moves: the open one, unless it says otherwise."""
    annotator = chosen("motion", plan.config.motion)
    return {**getattr(annotator, "body_model", BODY_MODEL), "shape_source": annotator.shape_source}
