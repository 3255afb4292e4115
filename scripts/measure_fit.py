"""Measure the error of the fitted motion on rendered people: a sample family, or a folder of BVH files.

    python scripts/measure_fit.py                                 # the held-out family: bodies, motions, views
    python scripts/measure_fit.py --bvh motion/test --views 0,60  # motion capture, from the front and the side
    python scripts/measure_fit.py --cache out/fit                 # stores landmarks, so that later runs only fit

Prints a row per clip and the medians by view. pa, mpjpe: 22 joints, mm; acc: mm/frame^2; limbs and raw: the errors of
the fit and of the landmark model on the 12 limb joints, aligned at the hips; doubt: median error of the least confident
fifth of frames over that of the rest; ms: CPU time per frame of the fit alone.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from annotators.blazepose.pose2d import BlazePosePose2D
from annotators.landmark_fit.annotator import LandmarkFit, MotionInput
from annotators.landmark_fit.confidence import LIMBS
from annotators.landmark_fit.config import LandmarkFitConfig
from humove.motion.body import Body
from humove.motion.bvh import read_bvh
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.motion.retarget import retarget_bvh
from humove.motion.skeletons import MEDIAPIPE_33, SMPL_JOINTS
from humove.stage import Reject
from humove.types import Landmarks, PersonTrack, SmplMotion
from pipelines.samples.catalogue import list_samples
from pipelines.samples.film import Film, compute_heading_deg, render_motion
from pipelines.samples.maker import render_sample
from pipelines.samples.score import compute_acceleration_error, mpjpe, pa_mpjpe

_ARRAYS = ("keypoints", "scores", "world", "mirror_keypoints", "mirror_world", "found")
_LIMB_JOINTS = [SMPL_JOINTS.index(MEDIAPIPE_33[i]) for i in LIMBS]
_LIMB_POINTS = list(LIMBS)
_HIPS = [i for i, row in enumerate(LIMBS) if "hip" in MEDIAPIPE_33[row]]
_BODIES = ("neutral", "heavy_man", "tall_man", "short_heavy_woman")


def list_films(args: argparse.Namespace):
    """Yield (name, view, a function that renders the film) for each clip."""
    if args.bvh is None:
        for shot in list_samples(args.family):
            yield shot.name, shot.view, lambda shot=shot: render_sample(shot)
        return
    for i, path in enumerate(sorted(args.bvh.glob("*.bvh"))):
        for view in args.views:
            side = view if i % 2 else -view
            make = lambda path=path, i=i, side=side: render_bvh_film(path, i, side, args.frames)  # noqa: E731
            yield f"{path.stem}-{view}", str(view), make


def render_bvh_film(path: Path, index: int, azimuth_deg: float, frames: int) -> Film:
    """Render the middle `frames` frames of a BVH file on one of four bodies."""
    motion = retarget_bvh(read_bvh(path), Body.load(_BODIES[index % len(_BODIES)]), source=path)
    start = max(0, (len(motion) - frames) // 2)
    part = slice(start, start + frames)
    motion = replace(
        motion, global_orient=motion.global_orient[part], body_pose=motion.body_pose[part], transl=motion.transl[part]
    )
    return render_motion(motion, azimuth_deg=azimuth_deg + compute_heading_deg(motion), seed=index)


def detect_landmarks(
    film: Film, joints: np.ndarray, intrinsics: np.ndarray, model: BlazePosePose2D
) -> Landmarks | Reject:
    """Run BlazePose along a track of the true joints, so that only landmarks and fit are measured."""
    pixels = project_points(joints.astype(np.float64), intrinsics.astype(np.float64))
    margin = 0.06 * np.ptp(pixels, axis=1).max()
    boxes = np.concatenate([pixels.min(1) - margin, pixels.max(1) + margin], 1)
    track = PersonTrack(
        frames=np.arange(len(boxes)), boxes_xyxy=boxes.astype(np.float32), scores=np.ones(len(boxes), np.float32)
    )
    return model.annotate([(film, track)])[0]


def load_landmarks(name: str, make, cache: Path | None, model: BlazePosePose2D):
    """Return (landmarks, true joints, width, height, fps), from the cache if present."""
    kept = cache / f"{name}.npz" if cache else None
    if kept and kept.is_file():
        with np.load(kept, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in _ARRAYS}
            rest = (stored["joints"], int(stored["width"]), int(stored["height"]), float(stored["fps"]))
        return Landmarks(skeleton="mediapipe_33", names=MEDIAPIPE_33, **arrays), *rest
    film = make()
    truth = film.compute_truth()
    found = detect_landmarks(film, truth["joints"], truth["cam_intrinsics"], model)
    if isinstance(found, Landmarks) and kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        arrays = {key: getattr(found, key) for key in _ARRAYS}
        np.savez(kept, joints=truth["joints"], width=film.width, height=film.height, fps=float(film.fps), **arrays)
    return found, truth["joints"], film.width, film.height, float(film.fps)


def compute_limb_error(points: np.ndarray, truth: np.ndarray) -> float:
    """Compute the mean distance in mm of the 12 limb joints (N, 12, 3), aligned at the middle of the hips."""
    own = points - points[:, _HIPS].mean(1, keepdims=True)
    return 1000 * float(np.linalg.norm(own - (truth - truth[:, _HIPS].mean(1, keepdims=True)), axis=-1).mean())


def compute_frame_errors(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Compute (N,) mm over 22 joints, aligned at the pelvis."""
    apart = (joints - joints[:, :1]) - (truth - truth[:, :1])
    return 1000 * np.linalg.norm(apart[:, :22], axis=-1).mean(1)


def compute_scores(motion: SmplMotion, landmarks: Landmarks, truth: np.ndarray) -> dict[str, float]:
    """Compute the columns of one row."""
    return {
        "pa": pa_mpjpe(motion.joints, truth),
        "mpjpe": mpjpe(motion.joints, truth),
        "acc": compute_acceleration_error(motion.joints, truth),
        "limbs": compute_limb_error(motion.joints[:, _LIMB_JOINTS], truth[:, _LIMB_JOINTS]),
        "raw": compute_limb_error(landmarks.world[:, _LIMB_POINTS], truth[:, _LIMB_JOINTS]),
        "root": 1000 * float(np.linalg.norm(motion.joints[:, 0] - truth[:, 0], axis=-1).mean()),
        "conf": float(motion.confidence.mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="held_out", help="sample family: held_out (default) or demo")
    parser.add_argument("--bvh", type=Path, help="a folder of BVH files instead of a sample family")
    parser.add_argument("--views", type=lambda text: [int(v) for v in text.split(",")], default=[0, 60])
    parser.add_argument("--frames", type=int, default=120, help="frames of each BVH file, from its middle")
    parser.add_argument("--cache", type=Path, help="folder to keep landmarks and truth in")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model, fit = BlazePosePose2D(), LandmarkFit(LandmarkFitConfig())
    model.load("cpu")
    fit.load("cpu")

    rows: list[tuple[str, dict[str, float]]] = []
    errors, trust, cpu, frames = [], [], 0.0, 0
    for name, view, make in list_films(args):
        landmarks, truth, width, height, fps = load_landmarks(name, make, args.cache, model)
        if isinstance(landmarks, Reject):
            print(f"{name:28s} {landmarks.detail}")
            continue
        start = time.process_time()
        (motion,) = fit.annotate([MotionInput(
            landmarks=landmarks, fps=fps, width=width, height=height,
            intrinsics=intrinsics_from_fov(width, height, 55.0), source_frames=np.arange(len(truth)),
        )])  # fmt: skip
        cpu, frames = cpu + time.process_time() - start, frames + len(truth)
        row = compute_scores(motion, landmarks, truth)
        rows.append((view, row))
        errors.append(compute_frame_errors(motion.joints, truth))
        trust.append(motion.confidence)
        print(f"{name:28s} {view:8s}" + "".join(f" {key} {value:6.2f}" for key, value in row.items()), flush=True)

    for view in [*dict.fromkeys(view for view, _ in rows), "all"]:
        some = [row for at, row in rows if view in (at, "all")]
        better = np.mean([row["limbs"] < row["raw"] for row in some])
        medians = "".join(f" {key} {np.median([row[key] for row in some]):6.2f}" for key in some[0])
        print(f"median {view:8s} n={len(some):3d}{medians}  limbs better than raw in {better:.0%}")
    error, order = np.concatenate(errors), np.argsort(np.concatenate(trust), kind="stable")
    fifth = len(order) // 5
    doubt = np.median(error[order[:fifth]]) / np.median(error[order[fifth:]])
    print(f"doubt {doubt:.2f}, fit {1000 * cpu / max(frames, 1):.1f} ms per frame")


if __name__ == "__main__":
    main()
