"""A sample from a clip's row and records: motion and keypoints moved from the decoded frame into the stored one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annotators.registry import chosen
from humove.camera import crop_intrinsics
from humove.types import Caption, Clip, Pose2D, Sample, SmplMotion
from pipelines.category import category_of
from pipelines.engine.plan import Plan
from pipelines.stages.motion import motion_from_arrays, world_from_arrays
from pipelines.stages.pose2d import as_stored, pose_from_arrays
from pipelines.stages.records import UnitRecords, owner_of

BODY_MODEL = {"name": "anny-smpl24", "licence": "Apache-2.0 (code), CC0-1.0 (data)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """What the state table says of a kept clip."""

    clip: Clip
    times: tuple[float, float]
    scores: Mapping[str, float]
    facts: Mapping[str, Mapping[str, Any]]
    """The small values of each step."""


def assemble_sample(
    plan: Plan, kept: ClipFacts, records: UnitRecords, mp4: bytes, split: str, annotators: list[dict]
) -> Sample:
    """The sample of a kept clip. KeyError where its records are gone."""
    clip, video, facts = kept.clip, kept.clip.video, kept.facts
    crop, track, said = facts["crop"], facts["track"], facts["caption"]
    caption = {name: said[name] for name in Caption.__dataclass_fields__}
    if video.source.caption:
        caption |= {"full": video.source.caption, "source": f"manifest, {caption['source']}"}
    arrays = records.arrays(owner_of(clip), "motion", plan.step_keys["motion"])
    motion = move_motion(motion_from_arrays(arrays), crop)
    zoom = np.array([video.width / track["width"], video.height / track["height"]] * 2)
    meta = {
        "key": clip.clip_id,
        "video_id": video.video_id,
        "uri": video.uri,
        "span": {
            "start_frame": clip.start_frame,
            "end_frame": clip.end_frame,
            "start_s": kept.times[0],
            "end_s": kept.times[1],
        },
        "shot_index": clip.shot_index,
        "crop_xyxy": [float(v) for v in np.array(crop["xyxy"]) * zoom],
        "fps": f"{track['fps'][0]}/{track['fps'][1]}",
        "width": crop["width"],
        "height": crop["height"],
        "num_frames": len(motion.valid),
        "captions": caption,
        "category": category_of(plan.config.category, video.source, said, facts.get("category", {})),
        "scores": {name: float(value) for name, value in sorted(kept.scores.items())},
        "cam": {"focal_px": [float(motion.cam_intrinsics[i, i]) for i in (0, 1)], **facts["motion"]["focal"]},
        "body_model": body_model(plan),
        "annotators": annotators,
        "rights": {name: getattr(video.source, name) for name in ("licence", "source_url", "consent")},
        "config_hash": plan.config_hash,
    }
    pose = pose_from_arrays(records.arrays(owner_of(clip), "pose2d", plan.step_keys["pose2d"]))
    return Sample(
        key=clip.clip_id,
        split=split,
        mp4=mp4,
        motion=motion,
        pose2d=as_stored(move_pose(pose, crop), plan.config.pose2d),
        meta=meta,
        world=world_from_arrays(arrays),
    )


def move_motion(motion: SmplMotion, crop: Mapping[str, Any]) -> SmplMotion:
    """A clip's motion, seen through the camera of the stored frame."""
    intrinsics = crop_intrinsics(motion.cam_intrinsics, crop["xyxy"], crop["width"], crop["height"])
    return replace(motion, cam_intrinsics=intrinsics)


def move_pose(pose: Pose2D, crop: Mapping[str, Any]) -> Pose2D:
    """A clip's keypoints, in px of the stored frame."""
    x0, y0, x1, y1 = crop["xyxy"]
    zoom = np.array([crop["width"] / (x1 - x0), crop["height"] / (y1 - y0)])
    keypoints = ((pose.keypoints - np.array((x0, y0))) * zoom).astype(np.float32)
    return Pose2D(keypoints=keypoints, scores=pose.scores, skeleton=pose.skeleton, names=pose.names)


def body_model(plan: Plan) -> dict[str, str]:
    """The body that the motion annotator moves: the open one, unless it says otherwise."""
    annotator = chosen("motion", plan.config.motion)
    return {**getattr(annotator, "body_model", BODY_MODEL), "shape_source": annotator.shape_source}
