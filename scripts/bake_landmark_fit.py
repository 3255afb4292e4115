"""Generate the three tables of annotators/landmark_fit from motion capture: pose prior, landmark offsets, lifter.

    python scripts/bake_landmark_fit.py look MOTION_DIR CACHE_DIR     # run BlazePose on rendered bodies
    python scripts/bake_landmark_fit.py bake MOTION_DIR CACHE_DIR OUT_DIR

`look` renders pieces of every BVH file in MOTION_DIR on bodies of three shapes and many sizes, from all directions, and
stores landmarks and ground truth. Half of them have limbs exchanged between clips, bent knees and a leaning trunk, so
that the lifter gets more poses than the files hold. About 50 ms per image; 25,000 images are enough. `bake` takes a
minute.
Motion of the shipped tables: CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu, created with funding from NSF
EIA-0196217. Bodies heavy_man, tall_man and short_heavy_woman and all test motions are held out.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from measure_fit import detect_landmarks

from annotators.blazepose.pose2d import BlazePosePose2D
from annotators.landmark_fit.lift import STATURE_M, LifterInput, make_lifter_input
from annotators.landmark_fit.markers import Markers, load_markers
from annotators.landmark_fit.prior import FREE_JOINTS
from annotators.landmark_fit.size import place_markers
from annotators.landmark_fit.solver.ik import solve_from_joints, to_local_rotations
from annotators.landmark_fit.weights import SHARES
from humove.drawing.painter import Clothes
from humove.motion.body import Body, compute_world_transforms
from humove.motion.bvh import read_bvh
from humove.motion.retarget import WorldMotion, retarget_bvh
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from humove.motion.skeletons import MEDIAPIPE_33, SMPL_JOINTS, find_mirror_indices
from humove.types import Landmarks
from pipelines.samples.film import render_motion

_ARRAYS = ("keypoints", "scores", "world", "mirror_keypoints", "mirror_world")
_SWAP = list(find_mirror_indices(MEDIAPIPE_33))
_HIPS = [23, 24]
_LIMBS = ([1, 2, 4, 5, 7, 8], [13, 16, 18, 20], [14, 17, 19, 21], [12, 15])
_FRAMES, _STRIDE, _PIECES = 20, 6, 15
_HIDDEN, _EPOCHS = 192, 25


def make_piece(paths: list[Path], index: int, rng: np.random.Generator) -> WorldMotion:
    """Make a piece of motion: every sixth frame of a few seconds of a file, on a body of random shape and size."""
    body = Body.load(("neutral", "woman", "man")[rng.integers(3)]).scale(rng.uniform(0.92, 1.08))

    def read_part(path: Path) -> WorldMotion:
        motion = retarget_bvh(read_bvh(path), body, source=path)
        motion = replace(motion, body=body)
        start = int(rng.integers(0, max(len(motion) - _FRAMES * _STRIDE, 1)))
        rows = np.minimum(start + _STRIDE * np.arange(_FRAMES), len(motion) - 1)
        pose = {name: getattr(motion, name)[rows] for name in ("global_orient", "body_pose", "transl")}
        return replace(motion, **pose)

    motion = read_part(paths[index])
    if rng.random() < 0.5:
        pose = motion.body_pose.copy()
        for joints in _LIMBS:
            rows = np.array(joints) - 1
            pose[:, rows] = read_part(paths[rng.integers(len(paths))]).body_pose[:, rows]
        bend = rng.uniform(0, 1) * (0.5 - 0.5 * np.cos(np.linspace(0, 2 * np.pi, _FRAMES)))
        pose[:, [0, 1], 0] -= 1.0 * bend[:, None]
        pose[:, [3, 4], 0] += 1.2 * bend[:, None]
        lean = torch.tensor([rng.normal(0.1, 0.3), 0, rng.normal(0, 0.15)], dtype=torch.float64)
        turned = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64)))
        leaning = matrix_to_axis_angle(turned @ axis_angle_to_matrix(lean)).numpy().astype(np.float32)
        motion = replace(motion, body_pose=pose, global_orient=leaning)
    return motion


def observe_motions(motions: list[Path], cache: Path) -> None:
    """Render pieces, detect landmarks and store both; existing files are skipped."""
    model = BlazePosePose2D()
    model.load("cpu")
    cache.mkdir(parents=True, exist_ok=True)
    for number in range(_PIECES * len(motions)):
        kept = cache / f"{number:05d}.npz"
        if kept.is_file():
            continue
        rng = np.random.default_rng(number)
        motion = make_piece(motions, number % len(motions), rng)
        colours = [tuple(int(c) for c in rng.integers(40, 220, 3)) for _ in range(2)]
        film = render_motion(
            motion, azimuth_deg=rng.uniform(-180, 180), clothes=Clothes(shirt=colours[0], trousers=colours[1]),
            scene=("room", "park", "hall", "plain")[rng.integers(4)], fov_deg=rng.uniform(48, 64),
            camera_height=rng.uniform(0.6, 2.0), seed=number,
        )  # fmt: skip
        truth = film.compute_truth()
        landmarks = detect_landmarks(film, truth["joints"], truth["cam_intrinsics"], model)
        if isinstance(landmarks, Landmarks) and landmarks.found.all():
            arrays = {name: getattr(landmarks, name) for name in _ARRAYS}
            np.savez(kept, stature=motion.body.stature, **truth, **arrays)


def bake_prior(motions: list[Path], out: Path) -> None:
    """Compute mean and whitening of axis-angles; limbs by inverse kinematics, so that twist is consistent."""
    body, poses = Body.load(), []
    limbs = [1, 2, 4, 5, 16, 17, 18, 19]
    for path in motions:
        motion = retarget_bvh(read_bvh(path), body, source=path)
        pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1)[::3].astype(np.float64)
        rotmats = axis_angle_to_matrix(torch.from_numpy(pose))
        rest = torch.from_numpy(body.rest_joints.astype(np.float64))
        turned, joints = compute_world_transforms(rest, rotmats, rest.new_zeros(len(pose), 3))
        local = to_local_rotations(turned.numpy())
        local[:, limbs] = solve_from_joints(joints.numpy(), rest.numpy())[:, limbs]
        poses.append(matrix_to_axis_angle(torch.from_numpy(local)).numpy())
    pose = np.concatenate(poses)
    other = pose[:, list(find_mirror_indices(SMPL_JOINTS))] * (1, -1, -1)
    rows = np.concatenate([pose, other])[:, list(FREE_JOINTS)].reshape(-1, 3 * len(FREE_JOINTS))
    mean, covariance = rows.mean(0), np.cov(rows.T) + np.eye(rows.shape[1]) * np.radians(8) ** 2
    for joint, widths in ((7, (22, 10, 10)), (8, (22, 10, 10)), (20, (25, 20, 30)), (21, (25, 20, 30))):
        for axis, width in enumerate(widths):  # feet and hands of these files are too noisy
            k = 3 * FREE_JOINTS.index(joint) + axis
            covariance[k], covariance[:, k], mean[k] = 0, 0, 0
            covariance[k, k] = np.radians(width) ** 2
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    np.savez(out / "pose_prior.npz", mean=mean.astype(np.float32), whiten=whiten.astype(np.float32))


def bake_markers(pieces: list[dict], out: Path) -> Markers:
    """Fit offsets that align projected points with image landmarks: robust least squares over all views."""
    markers = load_markers()
    offsets = markers.offsets.copy()
    flip = np.array([-1.0, 1, 1])
    for _ in range(12):
        normal, right = np.zeros((33, 3, 3)), np.zeros((33, 3))
        for p in pieces:
            size = p["stature"] / STATURE_M
            frames = p["turned"][:, markers.frame]
            points = p["joints"][:, markers.place] + np.einsum("nkij,kj->nki", frames, offsets * size)
            depth = points[..., 2:]
            off = (p["rays"] - points[..., :2] / depth) * depth
            weight = (p["scores"] > 0.3) / (1 + (off**2).sum(-1) / 0.04**2) ** 2
            slope = np.zeros((*points.shape[:2], 2, 3))
            slope[..., 0, 0] = slope[..., 1, 1] = 1
            slope[..., 2] = -points[..., :2] / depth
            slope = np.einsum("nkai,nkij->nkaj", slope, frames) * size
            normal += np.einsum("nk,nkai,nkaj->kij", weight, slope, slope)
            right += np.einsum("nk,nkai,nka->ki", weight, slope, off)
        normal = normal + normal[_SWAP] * flip[:, None] * flip
        right = right + right[_SWAP] * flip
        offsets = offsets + np.linalg.solve(normal + 1e-6 * np.eye(3), right[..., None])[..., 0]
    offsets = 0.5 * (offsets + offsets[_SWAP] * flip)
    table = {
        name: {
            "place": SMPL_JOINTS[markers.place[i]], "frame": SMPL_JOINTS[markers.frame[i]],
            "offset": [round(float(x), 3) for x in offsets[i]],
        }
        for i, name in enumerate(MEDIAPIPE_33) if "right" not in name
    }  # fmt: skip
    (out / "markers.yaml").write_text(yaml.safe_dump(table, sort_keys=False, default_flow_style=None), encoding="utf-8")
    return replace(markers, offsets=offsets)


def bake_lifter(pieces: list[dict], markers: Markers, out: Path) -> None:
    """Train on every frame and its mirror image; the loss is the distance, plain and over the predicted spread."""
    torch.manual_seed(0)
    inputs, targets = [], []
    for p in pieces:
        seen = make_lifter_input(*(p[k] for k in ("world", "mirror_world", "keypoints", "mirror_keypoints", "scores")))
        size = p["stature"] / STATURE_M
        truth = place_markers(p["joints"], p["turned"], markers.scale_by(size)) / size
        truth = truth - truth[:, _HIPS].mean(1, keepdims=True)
        both: list[tuple[LifterInput, np.ndarray]] = [(seen, truth), (seen.flip(), truth[:, _SWAP] * (-1, 1, 1))]
        inputs += [frames.stack_features() for frames, _ in both]
        targets += [(points - frames.world).reshape(-1, 99) for frames, points in both]
    rows, targets = np.concatenate(inputs), torch.from_numpy(np.concatenate(targets)).float()
    mean, spread = rows.mean(0), rows.std(0) + 0.02
    rows = torch.from_numpy((rows - mean) / spread).float()
    shares = torch.from_numpy(0.1 + SHARES).float()
    sizes = (rows.shape[1], _HIDDEN, _HIDDEN, 132)
    linear = [torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
    steps = [linear[0], torch.nn.GELU(), torch.nn.Dropout(0.25), linear[1], torch.nn.GELU(), torch.nn.Dropout(0.25)]
    network = torch.nn.Sequential(*steps, linear[2])
    adam = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    batches = len(rows) // 256
    pace = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, total_steps=_EPOCHS * batches + 1)
    for _ in range(_EPOCHS):
        for pick in torch.randperm(len(rows))[: batches * 256].reshape(batches, 256):
            answer = network(rows[pick] + 0.15 * torch.randn(256, rows.shape[1]))
            off = (answer[:, :99] - targets[pick]).reshape(-1, 33, 3)
            distance = (off.square().sum(-1) + 1e-5).sqrt()
            log_spread = answer[:, 99:] - 2.5
            likelihood = distance * torch.exp(-log_spread) + 3 * log_spread
            loss = (0.1 * likelihood * shares + 3 * distance * shares).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            pace.step()
    arrays = {"mean": mean.astype(np.float32), "spread": spread.astype(np.float32)}
    for i, layer in enumerate(linear):
        arrays[f"w{i}"] = layer.weight.detach().numpy().T.astype(np.float16)
        arrays[f"b{i}"] = layer.bias.detach().numpy()
    np.savez_compressed(out / "lifter.npz", **arrays)


def read_pieces(cache: Path) -> list[dict]:
    """Read what `look` stored, with global rotations and rays."""
    pieces = []
    for path in sorted(cache.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            p = {name: stored[name].astype(np.float64) for name in stored.files}
        pose = np.concatenate([p["global_orient"][:, None], p["body_pose"]], 1)
        rotmats = axis_angle_to_matrix(torch.from_numpy(pose))
        rest, transl = torch.from_numpy(p["rest_joints"]), torch.from_numpy(p["transl"])
        turned, joints = compute_world_transforms(rest, rotmats, transl)
        k = p["cam_intrinsics"]
        rays = (p["keypoints"] - k[:2, 2]) / k[(0, 1), (0, 1)]
        pieces.append(p | {"turned": turned.numpy(), "joints": joints.numpy(), "rays": rays})
    return pieces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("look", "bake"))
    parser.add_argument("motions", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("annotators/landmark_fit"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    motions = sorted(args.motions.glob("*.bvh"))
    if args.step == "look":
        observe_motions(motions, args.cache)
        return
    args.out.mkdir(parents=True, exist_ok=True)
    pieces = read_pieces(args.cache)
    bake_prior(motions, args.out)
    bake_lifter(pieces, bake_markers(pieces, args.out), args.out)


if __name__ == "__main__":
    main()
