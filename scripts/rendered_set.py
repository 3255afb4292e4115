"""Make a data set of rendered people with true motion, to measure generalization to held-out clips.

    python scripts/rendered_set.py out/rendered                    # 480 clips to train on, 48 held out
    humove train out/rendered out/run --preset tiny --set phases.paired.steps=6000
    humove evaluate-model out/run out/rendered --split val

Every clip shows one person in one of the sample motions; body, speed, side, clothes, scene and view are drawn with the
clip's number as the seed, and held-out clips have other numbers. No annotator runs: motion and keypoints are those that
the frames were rendered from.
"""

import argparse
import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from humove.drawing.painter import Clothes
from humove.ids import format_clip_id
from humove.motion.body import Body
from humove.motion.camera import project_points
from humove.motion.skeletons import SMPL_JOINTS
from humove.storage.atomic import write_text
from humove.types import Pose2D, Sample, SmplMotion
from pipelines.samples.film import Film, render_motion, write_film
from pipelines.samples.motions import MOTIONS
from shards.format import DATASET_FILE, INDEX_FILE, SHARDS_FOLDER
from shards.index import IndexWriter
from shards.schemas import BatchRow, DatasetDoc, SampleMeta, ShardRow, SplitRow
from shards.writer import ShardWriter

_VERBS = {
    "walk": "walks", "reach": "reaches up and down", "squat": "squats", "jump": "jumps", "turn": "turns around",
    "wave": "waves", "lunge": "lunges",
}  # fmt: skip
_SCENES = ("plain", "room", "park", "hall")


def _draw_colour(rng: np.random.Generator, low: int = 20, high: int = 235) -> tuple[int, int, int]:
    return tuple(int(c) for c in rng.integers(low, high, 3))


def make_film(number: int, frames: int, fps: int, around: float, scenes: tuple[str, ...]) -> tuple[str, Film]:
    """Make the film of a clip; returns the motion's name and the film."""
    rng = np.random.default_rng(number)
    name = sorted(MOTIONS)[number % len(MOTIONS)]
    clothes = Clothes(
        skin=tuple(int(c * rng.uniform(0.45, 1.05)) for c in (224, 172, 140)),
        hair=_draw_colour(rng, 15, 130), shirt=_draw_colour(rng), trousers=_draw_colour(rng),
        long_sleeves=bool(rng.integers(2)), shorts=bool(rng.integers(2)),
    )  # fmt: skip
    body = Body.load(str(rng.choice(Body.list_shapes())))
    motion = MOTIONS[name](body, frames, fps, rng)
    film = render_motion(
        motion, azimuth_deg=float(rng.uniform(-around, around)), clothes=clothes, scene=str(rng.choice(scenes)),
        size=(192, 144), camera_height=float(rng.uniform(0.9, 1.6)), seed=number,
    )  # fmt: skip
    return name, film


def make_sample(number: int, split: str, args: argparse.Namespace) -> Sample:
    """Make the sample of a clip."""
    torch.set_num_threads(1)
    frames, fps = args.frames, args.fps
    name, film = make_film(number, frames, fps, args.around, tuple(args.scenes))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "film.mp4"
        write_film(film, path)
        mp4 = path.read_bytes()
    truth = film.compute_truth()
    pose = {part: truth[part] for part in ("global_orient", "body_pose", "transl")}
    motion = SmplMotion(
        betas=np.zeros(10, np.float32), rest_joints=truth["rest_joints"], joints=truth["joints"],
        cam_intrinsics=truth["cam_intrinsics"], confidence=np.ones(frames, np.float32), valid=np.ones(frames, bool),
        source_frames=np.arange(frames), **pose, **{f"raw_{part}": array for part, array in pose.items()},
    )  # fmt: skip
    points = project_points(truth["joints"].astype(np.float64), truth["cam_intrinsics"].astype(np.float64))
    pose2d = Pose2D(
        keypoints=points.astype(np.float32), scores=np.ones(points.shape[:2], np.float32), skeleton="smpl_24",
        names=SMPL_JOINTS,
    )  # fmt: skip
    video_id = f"{number:016x}"
    full = f"A person {_VERBS[name]}."
    captions = {
        "appearance": "A person.", "background": "A still scene.", "action": full, "full": full, "source": "rendered"
    }  # fmt: skip
    meta = {
        "key": format_clip_id(video_id, 0, 0), "video_id": video_id, "uri": f"rendered/{number}.mp4", "shot_index": 0,
        "span": {"start_frame": 0, "end_frame": frames, "start_s": 0.0, "end_s": frames / fps},
        "fps": f"{fps}/1", "width": film.width, "height": film.height, "num_frames": frames,
        "crop_xyxy": [0.0, 0.0, film.width, film.height], "captions": captions, "annotators": [],
        "category": {"major": "", "fine": "", "source": ""}, "scores": {}, "config_hash": "0",
        "body_model": {"name": "humove-open", "licence": "CC0-1.0", "shape_source": "proxy"}, "rights": {},
    }  # fmt: skip
    return Sample(key=meta["key"], split=split, mp4=mp4, motion=motion, pose2d=pose2d, meta=meta)


def render_samples(pool: ProcessPoolExecutor, numbers: range, split: str, args: argparse.Namespace) -> Iterator[Sample]:
    yield from pool.map(make_sample, numbers, [split] * len(numbers), [args] * len(numbers), chunksize=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=480, help="clips to train on")
    parser.add_argument("--held-out", type=int, default=48, help="clips of the split val")
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--fps", type=int, default=16)
    parser.add_argument("--around", type=float, default=180.0, help="degrees from the front that a view may be")
    parser.add_argument("--scenes", nargs="+", choices=_SCENES, default=_SCENES)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    if (args.out / DATASET_FILE).exists():
        parser.error(f"{args.out} holds a data set already")
    numbers = {"train": range(args.train), "val": range(args.train, args.train + args.held_out)}
    shards: list[ShardRow] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.workers, context) as pool, IndexWriter(args.out / INDEX_FILE, []) as index:
        for split, own in numbers.items():
            with ShardWriter(args.out / SHARDS_FOLDER, split, max_samples=120) as writer:
                for sample in render_samples(pool, own, split, args):
                    index.add(SampleMeta.model_validate(sample.meta), writer.write(sample))
            shards += writer.shards
    names = tuple(row.name for row in shards)
    count = sum(map(len, numbers.values()))
    batch = BatchRow(number=0, num_inputs=count, inputs_sha256="0" * 64, num_samples=count, shards=names)
    doc = DatasetDoc(
        tool_version="rendered", config={}, config_hash="0", annotators=(), batches=(batch,), shards=tuple(shards),
        counts={}, splits={name: SplitRow(num_samples=len(n), num_videos=len(n)) for name, n in numbers.items()},
    )  # fmt: skip
    write_text(args.out / DATASET_FILE, doc.to_bytes().decode())


if __name__ == "__main__":
    main()
