"""Small data sets whose videos show the frame's number as brightness, and a moving disc."""

import io
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from echomotion_model.data.config import LoaderConfig
from humove.ids import format_clip_id
from humove.motion.body import Body, compute_joints
from humove.motion.camera import intrinsics_from_fov
from humove.storage.atomic import write_text
from humove.types import Pose2D, Sample, SmplMotion
from shards.buckets import BucketConfig
from shards.format import DATASET_FILE, INDEX_FILE, SHARDS_FOLDER
from shards.index import IndexWriter
from shards.schemas import BatchRow, DatasetDoc, SampleMeta, ShardRow, SplitRow
from shards.writer import ShardWriter

Shape = tuple[int, Fraction, int, int]
"""Frames, rate, width and height in px."""

BUCKETS = BucketConfig(resolutions=((96, 48), (64, 64), (48, 96)), max_frames=29)
SHAPES: tuple[Shape, ...] = (
    (40, Fraction(30), 96, 48),
    (33, Fraction(30000, 1001), 64, 64),
    (61, Fraction(25), 58, 98),
    (17, Fraction(16), 64, 60),
    (32, Fraction(30), 96, 48),
    (70, Fraction(60), 50, 90),
    (30, Fraction(24), 96, 50),
    (20, Fraction(30), 96, 48),  # too short
    (40, Fraction(25), 40, 20),  # too small
    (40, Fraction(10), 96, 48),  # too slow
    (31, Fraction(30), 66, 66),
    (90, Fraction(30), 100, 52),
)
TRAIN = SHAPES + SHAPES[:7]
VAL = SHAPES[:2]


def compute_level(frame: int) -> int:
    """Compute a frame's grey background: far from its neighbours', with a period of 25 frames."""
    return 40 + 8 * (frame * 7 % 25)


def compute_point(frame: int, width: int, height: int) -> tuple[float, float]:
    """Compute the centre of the dark disc in a frame, px."""
    return width * (0.4 + 0.002 * frame), height * (0.6 - 0.002 * frame)


@cache
def encode_marked_mp4(num_frames: int, fps: Fraction, width: int, height: int) -> bytes:
    """Encode a video with the background `compute_level` and a disc at `compute_point`."""
    y, x = np.mgrid[:height, :width] + 0.5
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as box:
        video = box.add_stream("libx264", rate=fps, options={"crf": "4", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.thread_count = 1
        for i in range(num_frames):
            px, py = compute_point(i, width, height)
            dark = np.clip(0.11 * min(width, height) + 0.5 - np.hypot(x - px, y - py), 0, 1)
            grey = np.repeat((compute_level(i) * (1 - dark))[..., None], 3, axis=2).round().astype(np.uint8)
            box.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        box.mux(video.encode())
    return out.getvalue()


def make_motion(num_frames: int, width: int, height: int) -> SmplMotion:
    """Make the motion of a body that turns 0.1 rad and moves 1 cm per frame; rows 3 and 10 are not valid."""
    n = np.arange(num_frames, dtype=np.float32)
    body = Body.load()
    orient, pose = np.zeros((num_frames, 3), np.float32), np.zeros((num_frames, 23, 3), np.float32)
    orient[:, 1], pose[:, 15, 2] = 0.1 * n % (2 * np.pi), 0.05 * n % 1.5
    transl = np.stack([0.01 * n, 0 * n, 3 + 0 * n], 1)
    valid = ~np.isin(np.arange(num_frames), (3, 10))
    camera = intrinsics_from_fov(width, height, 55.0)
    confidence = valid * (0.5 + 0.005 * n).astype(np.float32)
    return SmplMotion(
        betas=np.zeros(10, np.float32), rest_joints=body.rest_joints, global_orient=orient, body_pose=pose,
        transl=transl, joints=compute_joints(body.rest_joints, orient, pose, transl),
        cam_intrinsics=camera, confidence=confidence, valid=valid, source_frames=np.arange(num_frames),
        raw_global_orient=orient, raw_body_pose=pose, raw_transl=transl,
    )  # fmt: skip


def make_pose2d(num_frames: int, width: int, height: int, names: tuple[str, ...] = ("nose", "left_hip")) -> Pose2D:
    """Make a pose with all points at the disc's centre."""
    points = np.array([compute_point(i, width, height) for i in range(num_frames)], np.float32)
    scores = np.full((num_frames, len(names)), 0.9, np.float32)
    return Pose2D(
        keypoints=np.repeat(points[:, None], len(names), axis=1), scores=scores, skeleton="test", names=names
    )  # fmt: skip


def make_sample(number: int, split: str, shape: Shape, names: tuple[str, ...] = ("nose", "left_hip")) -> Sample:
    """Make the sample of a number; keys are in the order of numbers."""
    num_frames, fps, width, height = shape
    video_id = f"{number:016x}"
    key = format_clip_id(video_id, 0, 0)
    captions = {"appearance": "a", "background": "b", "action": "c", "full": f"Clip {number} turns.", "source": "test"}
    meta = {
        "key": key, "video_id": video_id, "uri": f"{number}.mp4", "shot_index": 0,
        "span": {"start_frame": 0, "end_frame": num_frames, "start_s": 0.0, "end_s": float(num_frames / fps)},
        "fps": f"{fps.numerator}/{fps.denominator}", "width": width, "height": height, "num_frames": num_frames,
        "crop_xyxy": [0.0, 0.0, width, height], "captions": captions, "annotators": [],
        "category": {"major": "", "fine": "", "source": ""}, "scores": {}, "config_hash": "0",
        "body_model": {"name": "humove-open", "licence": "CC0-1.0", "shape_source": "proxy"}, "rights": {},
    }  # fmt: skip
    return Sample(
        key=key, split=split, mp4=encode_marked_mp4(*shape), motion=make_motion(num_frames, width, height),
        pose2d=make_pose2d(num_frames, width, height, names), meta=meta,
    )  # fmt: skip


def write_set(folder: Path, samples: list[Sample]) -> Path:
    """Write the parts of a data set that a loader needs, with three samples per shard."""
    shards: list[ShardRow] = []
    splits = sorted({sample.split for sample in samples})
    with IndexWriter(folder / INDEX_FILE, []) as index:
        for split in splits:
            with ShardWriter(folder / SHARDS_FOLDER, split, max_samples=3) as writer:
                for sample in (each for each in samples if each.split == split):
                    index.add(SampleMeta.model_validate(sample.meta), writer.write(sample))
            shards += writer.shards
    sizes = {split: sum(row.num_samples for row in shards if row.split == split) for split in splits}
    names = tuple(row.name for row in shards)
    batch = BatchRow(number=0, num_inputs=1, inputs_sha256="0" * 64, num_samples=len(samples), shards=names)
    doc = DatasetDoc(
        tool_version="0", config={}, config_hash="0", annotators=(), batches=(batch,), shards=tuple(shards), counts={},
        splits={split: SplitRow(num_samples=n, num_videos=n) for split, n in sizes.items()},
    )  # fmt: skip
    write_text(folder / DATASET_FILE, doc.to_bytes().decode())
    return folder


def make_set(folder: Path) -> Path:
    """Make a data set of TRAIN and VAL."""
    rows = [*(("train", shape) for shape in TRAIN), *(("val", shape) for shape in VAL)]
    return write_set(folder, [make_sample(number, *row) for number, row in enumerate(rows)])


def make_loader_config(**changes: object) -> LoaderConfig:
    return LoaderConfig.model_validate({"batch_size": 6, "workers": 0, "seed": 5, "buckets": BUCKETS} | changes)
