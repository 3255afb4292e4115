"""Check a sample's members, each by itself and against the others."""

import json
import zipfile
from dataclasses import dataclass

from pydantic import ValidationError

from shards.checks.defect import Findings
from shards.checks.motion import check_in_view, check_motion, check_pose2d
from shards.checks.video import check_video
from shards.checks.world import check_world
from shards.format import WORLD_MEMBER, parse_key
from shards.npz import decode_npz
from shards.schemas import SampleMeta

MAX_FPS = 60
_ERRORS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSample:
    """A sample's findings, and its document if that is well-formed."""

    found: Findings
    meta: SampleMeta | None


def check_sample(where: str, key: str, members: dict[str, bytes], *, config_hash: str, deep: bool) -> CheckedSample:
    """Check a sample that has all members; `deep` also decodes the video."""
    found = Findings(where)
    try:
        meta = SampleMeta.model_validate(json.loads(members["json"]))
    except ValidationError as error:
        for each in error.errors()[:_ERRORS_SHOWN]:
            found.add(f"json {'.'.join(map(str, each['loc']))}: {each['msg']}")
        return CheckedSample(found=found, meta=None)
    except ValueError as error:  # not JSON, or not UTF-8
        found.add(f"json does not parse: {error}")
        return CheckedSample(found=found, meta=None)
    found.extend(_check_meta(where, key, meta, config_hash))
    found.expect(members["txt"] == meta.captions.full.encode(), "txt differs from captions.full of the json")
    motion, pose = _decode_arrays(found, members, "motion.npz"), _decode_arrays(found, members, "pose2d.npz")
    sound = motion is not None and pose is not None
    if motion is not None:
        faults = check_motion(where, motion, meta.num_frames, (meta.span.start_frame, meta.span.end_frame))
        sound = sound and not faults
        found.extend(faults)
    if pose is not None:
        faults = check_pose2d(where, pose, meta.num_frames)
        sound = sound and not faults
        found.extend(faults)
    if WORLD_MEMBER in members and (world := _decode_arrays(found, members, WORLD_MEMBER)) is not None:
        found.extend(check_world(where, world, meta.num_frames))
    if sound:
        found.extend(check_in_view(where, motion, pose, meta.width, meta.height))
    if deep:
        shape = {"width": meta.width, "height": meta.height, "num_frames": meta.num_frames, "fps": meta.rate}
        found.extend(check_video(where, members["mp4"], **shape))
    return CheckedSample(found=found, meta=meta)


def _check_meta(where: str, key: str, meta: SampleMeta, config_hash: str) -> Findings:
    found = Findings(where)
    parts = parse_key(key)
    stated, actual = (meta.key, meta.video_id, meta.shot_index), (key, parts.video_id, parts.shot)
    found.expect(stated == actual, f"json says key, video and shot {stated}, the name says {actual}")
    found.expect(meta.config_hash == config_hash, f"config_hash {meta.config_hash}, dataset.json says {config_hash}")
    span, (left, top, right, bottom) = meta.span, meta.crop_xyxy
    found.expect(span.start_frame < span.end_frame and span.start_s < span.end_s, "span is empty")
    found.expect(left < right and top < bottom, f"crop_xyxy {meta.crop_xyxy} is empty")
    found.expect(meta.rate <= MAX_FPS, f"{meta.fps} frames per second are more than {MAX_FPS}")
    return found


def _decode_arrays(found: Findings, members: dict[str, bytes], suffix: str) -> dict | None:
    try:
        return decode_npz(members[suffix])
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        found.add(f"{suffix} does not load without pickle: {error}")
        return None
