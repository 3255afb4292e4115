"""A small data set with real mp4s and motion that is consistent with its pose."""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from humove.ids import format_clip_id, hash_settings
from humove.motion.body import Body, compute_joints
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.motion.skeletons import MEDIAPIPE_33, SMPL_JOINTS
from humove.storage.atomic import write_text
from humove.types import Pose2D, Sample, SmplMotion
from shards.card.text import write_card
from shards.format import DATASET_FILE, INDEX_FILE, OUTCOMES_FILE, SHARDS_FOLDER
from shards.index import IndexWriter, Outcome, OutcomesWriter
from shards.schemas import BatchRow, DatasetDoc, SampleMeta, ShardRow, SplitRow, StageCounts
from shards.writer import ShardWriter

CONFIG = {"clips": {"min_s": 0.5, "max_s": 10.0}}
CONFIG_HASH = hash_settings(CONFIG)
ANNOTATOR = {
    "name": "blazepose",
    "version": "1",
    "licence": "Apache-2.0",
    "weights": [{"name": "pose_landmark_full", "sha256": "0" * 64, "licence": "Apache-2.0"}],
}
SIZE = (160, 192)
"""Width and height of every test video."""


def encode_mp4(num_frames: int, fps: Fraction, seed: int = 0, *, codec: str = "libx264", **stream: object) -> bytes:
    """Encode a moving pattern as mp4; `stream` sets attributes of the video stream."""
    width, height = SIZE
    grid_y, grid_x = np.mgrid[:height, :width]
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as box:
        video = box.add_stream(codec, rate=fps, options={"crf": "30", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.thread_count = 1
        for name, value in stream.items():
            setattr(video, name, value)
        for i in range(num_frames):
            wave = 127 + 90 * np.sin((grid_x + 3 * i) / (9 + seed)) * np.cos(grid_y / 13)
            frame = av.VideoFrame.from_ndarray(np.repeat(wave[..., None], 3, axis=2).astype(np.uint8), format="rgb24")
            box.mux(video.encode(frame))
        box.mux(video.encode())
    return out.getvalue()


def make_motion(num_frames: int, start_frame: int, seed: int) -> SmplMotion:
    """Make a person facing the camera at 3.4 m, swinging arms and knees; frame 2 is not valid."""
    rng, t = np.random.default_rng(seed), np.linspace(0, 2 * np.pi, num_frames, dtype=np.float32)
    body = Body.load()
    pose = np.zeros((num_frames, 24, 3), np.float32)
    pose[:, 0] = (np.pi, 0, 0)
    for joint, amount in (("left_shoulder", 0.6), ("right_shoulder", -0.6), ("left_knee", 0.3), ("spine2", 0.1)):
        pose[:, SMPL_JOINTS.index(joint), 2] = amount * np.sin(t + seed)
    raw = pose + rng.normal(0, 0.02, pose.shape).astype(np.float32)
    transl = np.tile(np.array([0.0, 0.2, 3.4], np.float32), (num_frames, 1))
    valid = np.ones(num_frames, bool)
    valid[2] = False
    return SmplMotion(
        betas=np.zeros(10, np.float32),
        rest_joints=body.rest_joints,
        global_orient=pose[:, 0],
        body_pose=pose[:, 1:],
        transl=transl,
        joints=compute_joints(body.rest_joints, pose[:, 0], pose[:, 1:], transl),
        cam_intrinsics=np.asarray(intrinsics_from_fov(*SIZE, 55.0), np.float32),
        confidence=np.where(valid, np.float32(0.9), np.float32(0)),
        valid=valid,
        source_frames=np.arange(start_frame, start_frame + num_frames),
        raw_global_orient=raw[:, 0],
        raw_body_pose=raw[:, 1:],
        raw_transl=transl + 0.01,
    )


def make_pose2d(motion: SmplMotion) -> Pose2D:
    """Project the motion's joints to keypoints; points that SMPL lacks are not visible."""
    px = np.asarray(project_points(motion.joints, motion.cam_intrinsics), np.float32)
    keypoints = np.zeros((len(px), len(MEDIAPIPE_33), 2), np.float32)
    scores = np.zeros(keypoints.shape[:2], np.float32)
    for k, name in enumerate(MEDIAPIPE_33):
        if name in SMPL_JOINTS:
            keypoints[:, k], scores[:, k] = px[:, SMPL_JOINTS.index(name)], 0.9
    return Pose2D(keypoints=keypoints, scores=scores, skeleton="mediapipe_33", names=MEDIAPIPE_33)


def make_sample(
    video_id: str, shot: int, *, split: str, start_frame: int, num_frames: int = 20, fps: Fraction = Fraction(25)
) -> Sample:
    """Make a sample of the shot's first clip."""
    key, seed = format_clip_id(video_id, shot, 0), int(video_id[0], 16) + shot
    motion = make_motion(num_frames, start_frame, seed)
    caption = f"A person in «red» swings both arms, shot {shot}."
    end_frame = start_frame + num_frames
    meta = {
        "key": key,
        "video_id": video_id,
        "uri": f"clips/vidéo 人 #{video_id[0]}.mp4",
        "span": {
            "start_frame": start_frame,
            "end_frame": end_frame,
            "start_s": float(start_frame / fps),
            "end_s": float(end_frame / fps),
        },
        "shot_index": shot,
        "crop_xyxy": [0.0, 0.0, 160.0, 192.0],
        "fps": f"{fps.numerator}/{fps.denominator}",
        "width": SIZE[0],
        "height": SIZE[1],
        "num_frames": num_frames,
        "captions": {
            "appearance": "a person in «red»",
            "background": "a plain room",
            "action": "swings both arms",
            "full": caption,
            "source": "kinematic",
        },
        "category": {"major": "upper body", "fine": "swing", "source": "kinematic"},
        "scores": {"sharpness": 0.5 + shot / 8, "duration_s": 0.8},
        "body_model": {"name": "humove-open", "licence": "CC0-1.0", "shape_source": "proxy"},
        "annotators": [ANNOTATOR],
        "rights": {"licence": "CC-BY-4.0", "source_url": "https://example.org/v", "consent": ""},
        "config_hash": CONFIG_HASH,
    }
    mp4 = encode_mp4(num_frames, fps, seed)
    return Sample(key=key, split=split, mp4=mp4, motion=motion, pose2d=make_pose2d(motion), meta=meta)


def _make_clip_row(sample: Sample, **changes: object) -> Outcome:
    span = sample.meta["span"]
    row = Outcome(
        unit="clip",
        video_id=sample.meta["video_id"],
        uri=sample.meta["uri"],
        clip_id=sample.key,
        stage="assemble",
        outcome="kept",
        **span,
    )
    return replace(row, **changes)


def make_outcomes(samples: list[Sample]) -> list[Outcome]:
    """Make outcomes: two shots of 20 frames per video with a fade of 4, or one; a last input is unreadable."""
    rows = []
    for video_id in sorted({s.meta["video_id"] for s in samples}):
        clips = [s for s in samples if s.meta["video_id"] == video_id]
        first, last = clips[0].meta["span"], clips[-1].meta["span"]
        whole = {"start_frame": 0, "end_frame": last["end_frame"], "start_s": 0.0, "end_s": last["end_s"]}
        fades = "fades and dissolves: 20-24" if len(clips) > 1 else "fades and dissolves: none"
        shared = {"video_id": video_id, "uri": clips[0].meta["uri"], "outcome": "split"}
        rows.append(Outcome(unit="video", stage="split", detail=fades, **whole, **shared))
        assert first["start_frame"] == 0
        for clip in clips:
            rows.append(Outcome(unit="shot", stage="split", clip_id="", **clip.meta["span"], **shared))
            rows.append(_make_clip_row(clip))
    unreadable = {"stage": "probe", "outcome": "rejected", "reason": "unreadable", "detail": "no moov atom"}
    return [*rows, Outcome(unit="video", video_id="", uri="broken.mp4", **unreadable)]


def make_samples() -> list[Sample]:
    """Make samples of three videos: a and b in train (a with two shots), c in val; b at 30000/1001."""
    a, b, c = (digit * 16 for digit in "abc")
    return [
        make_sample(a, 0, split="train", start_frame=0),
        make_sample(a, 1, split="train", start_frame=24),
        make_sample(b, 0, split="train", start_frame=0, num_frames=17, fps=Fraction(30000, 1001)),
        make_sample(c, 0, split="val", start_frame=0),
    ]


def write_dataset(folder: Path, samples: list[Sample], outcomes: list[Outcome]) -> DatasetDoc:
    """Write a whole data set with two samples per shard."""
    shards: list[ShardRow] = []
    names = sorted({name for sample in samples for name in sample.meta["scores"]})
    with IndexWriter(folder / INDEX_FILE, names) as index:
        for split in sorted({sample.split for sample in samples}):
            with ShardWriter(folder / SHARDS_FOLDER, split, max_samples=2) as writer:
                for sample in samples:
                    if sample.split == split:
                        index.add(SampleMeta.model_validate(sample.meta), writer.write(sample))
            shards += writer.shards
    with OutcomesWriter(folder / OUTCOMES_FILE) as table:
        for row in outcomes:
            table.add(row)
    videos = sum(row.unit == "video" for row in outcomes)
    doc = DatasetDoc(
        tool_version="0.1.0",
        config=CONFIG,
        config_hash=CONFIG_HASH,
        annotators=(ANNOTATOR,),
        splits={
            split: SplitRow(
                num_samples=sum(s.split == split for s in samples),
                num_videos=len({s.meta["video_id"] for s in samples if s.split == split}),
            )
            for split in sorted({s.split for s in samples})
        },
        batches=(
            BatchRow(
                number=0,
                num_inputs=videos,
                inputs_sha256="0" * 64,
                num_samples=len(samples),
                shards=tuple(row.name for row in shards),
            ),
        ),
        shards=tuple(shards),
        counts={
            "probe": StageCounts(inputs=videos, emitted=videos - 1, rejected=1, faulted=0),
            "split": StageCounts(inputs=videos - 1, emitted=videos - 1, rejected=0, faulted=0),
            "assemble": StageCounts(inputs=len(samples), emitted=len(samples), rejected=0, faulted=0),
        },
    )
    write_text(folder / DATASET_FILE, doc.to_bytes().decode())
    write_card(folder)
    return doc


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    """Four samples of three videos."""
    return make_samples()


@pytest.fixture(scope="session")
def built(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound data set; read only."""
    folder = tmp_path_factory.mktemp("built") / "set"
    write_dataset(folder, samples, make_outcomes(samples))
    return folder


@pytest.fixture
def damaged(built: Path, tmp_path: Path) -> Path:
    """A copy of the sound data set to damage."""
    return Path(shutil.copytree(built, tmp_path / "set"))


Entries = list[tuple[tarfile.TarInfo, bytes]]


def edit_shard(folder: Path, shard: str, edit: Callable[[Entries], Entries], **tar: object) -> None:
    """Rewrite a shard's entries and update dataset.json."""
    path = folder / SHARDS_FOLDER / shard
    with tarfile.open(path) as box:
        entries = [(entry, box.extractfile(entry).read()) for entry in box]
    with tarfile.open(path, "w", format=tar.get("format", tarfile.USTAR_FORMAT)) as box:
        for entry, raw in edit(entries):
            entry.size = len(raw)
            box.addfile(entry, io.BytesIO(raw))
    update_checksum(folder, shard)


def update_checksum(folder: Path, shard: str) -> None:
    """Update a shard's size and hash in dataset.json."""
    raw = (folder / SHARDS_FOLDER / shard).read_bytes()

    def edit(doc: dict) -> None:
        row = next(row for row in doc["shards"] if row["name"] == shard)
        row |= {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}

    edit_doc(folder, edit)


def edit_doc(folder: Path, edit: Callable[[dict], None]) -> None:
    """Edit dataset.json in place."""
    doc = json.loads((folder / DATASET_FILE).read_bytes())
    edit(doc)
    write_text(folder / DATASET_FILE, json.dumps(doc))


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The functions above: test modules cannot import one another."""
    return SimpleNamespace(
        mp4=encode_mp4, motion=make_motion, pose2d=make_pose2d, sample=make_sample, samples=make_samples,
        outcomes=make_outcomes, dataset=write_dataset, edit_shard=edit_shard, update_checksum=update_checksum,
        edit_doc=edit_doc,
    )  # fmt: skip
