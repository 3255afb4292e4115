"""Samples from clips' rows and records, with motion and keypoints moved from the decoded frame to the stored one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annotators.registry import create_annotator
from humove.motion.camera import crop_intrinsics
from humove.types import Caption, Clip, Pose2D, Sample, SmplMotion
from pipelines.category import choose_category
from pipelines.engine.plan import Plan
from pipelines.stages.motion import unpack_motion, unpack_world_camera
from pipelines.stages.pose2d import convert_to_stored, unpack_pose
from pipelines.stages.records import UnitRecords, make_owner_name

BODY_MODEL = {"name": "anny-smpl24", "licence": "Apache-2.0 (code), CC0-1.0 (data)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """The facts of a kept clip in the state table."""

    clip: Clip
    times: tuple[float, float]
    scores: Mapping[str, float]
    facts: Mapping[str, Mapping[str, Any]]
    """The small values by step."""


def assemble_sample(
    plan: Plan, kept: ClipFacts, records: UnitRecords, mp4: bytes, split: str, annotators: list[dict]
) -> Sample:
    """Assemble the sample of a kept clip. Raises KeyError where its records are missing."""
    clip, video, facts = kept.clip, kept.clip.video, kept.facts
    crop, track, caption_facts = facts["crop"], facts["track"], facts["caption"]
    caption = {name: caption_facts[name] for name in Caption.__dataclass_fields__}
    if video.source.caption:
        caption |= {"full": video.source.caption, "source": f"manifest, {caption['source']}"}
    arrays = records.read_arrays(make_owner_name(clip), "motion", plan.step_keys["motion"])
    motion = move_motion(unpack_motion(arrays), crop)
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
        "category": choose_category(plan.config.category, video.source, caption_facts, facts.get("category", {})),
        "scores": {name: float(value) for name, value in sorted(kept.scores.items())},
        "cam": {"focal_px": [float(motion.cam_intrinsics[i, i]) for i in (0, 1)], **facts["motion"]["focal"]},
        "body_model": describe_body_model(plan),
        "annotators": annotators,
        "rights": {name: getattr(video.source, name) for name in ("licence", "source_url", "consent")},
        "config_hash": plan.config_hash,
    }
    pose = unpack_pose(records.read_arrays(make_owner_name(clip), "pose2d", plan.step_keys["pose2d"]))
    return Sample(
        key=clip.clip_id,
        split=split,
        mp4=mp4,
        motion=motion,
        pose2d=convert_to_stored(move_pose(pose, crop), plan.config.pose2d),
        meta=meta,
        world=unpack_world_camera(arrays),
    )


def move_motion(motion: SmplMotion, crop: Mapping[str, Any]) -> SmplMotion:
    """Return a clip's motion with the camera of the stored frame."""
    intrinsics = crop_intrinsics(motion.cam_intrinsics, crop["xyxy"], crop["width"], crop["height"])
    return replace(motion, cam_intrinsics=intrinsics)


def move_pose(pose: Pose2D, crop: Mapping[str, Any]) -> Pose2D:
    """Return a clip's keypoints in px of the stored frame."""
    x0, y0, x1, y1 = crop["xyxy"]
    zoom = np.array([crop["width"] / (x1 - x0), crop["height"] / (y1 - y0)])
    keypoints = ((pose.keypoints - np.array((x0, y0))) * zoom).astype(np.float32)
    return Pose2D(keypoints=keypoints, scores=pose.scores, skeleton=pose.skeleton, names=pose.names)


def describe_body_model(plan: Plan) -> dict[str, str]:
    """Return the body model of the motion annotator: the open one, unless it names another."""
    annotator = create_annotator("motion", plan.config.motion)
    return {**getattr(annotator, "body_model", BODY_MODEL), "shape_source": annotator.shape_source}
