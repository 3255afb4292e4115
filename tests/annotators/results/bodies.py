"""SMPL, SMPL-X and MHR as small families of one mesh, in files of the true format, so that each refit has one answer.

All three have the same 6890 surface points; SMPL-X numbers them otherwise and has fingers and a face, MHR numbers them
otherwise again and has points of its own.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from humove.motion.body import Body
from humove.motion.skeletons import SMPL_PARENTS

VERTICES, SMPLX_MORE, MHR_MORE = 6890, 10, 50
SMPLX_VERTICES = VERTICES + SMPLX_MORE
LEFT_HAND, RIGHT_HAND = 28, 43
"""SMPL-X's middle knuckles, where SMPL has its hand joints."""


@cache
def smpl_arrays() -> dict[str, np.ndarray]:
    """The open body's surface, and flesh about each bone, so that every joint's twist shows; with 10 smooth betas."""
    body, rng = Body.load(), np.random.default_rng(3)
    own = len(body.rest_vertices)
    weights = np.zeros((own, 24))
    np.put_along_axis(weights, body.bone_indices, body.bone_weights.astype(float), 1)
    joints = body.rest_joints.astype(float)
    bone = rng.integers(0, 24, VERTICES - own - 24)
    template = np.concatenate([joints, body.rest_vertices, joints[bone] + rng.normal(0, 0.05, (len(bone), 3))])
    weights = np.concatenate([np.eye(24), weights, np.eye(24)[bone]])
    weights /= weights.sum(1, keepdims=True)
    directions = np.zeros((VERTICES, 3, 10))
    for beta in range(10):  # a slow wave along one axis, centimetres a beta
        at, along = beta % 3, (beta // 3) % 3
        directions[:, along, beta] = 0.03 * np.sin((1 + 0.3 * beta) * template[:, at] + beta)
    regressor = np.zeros((24, VERTICES))
    regressor[range(24), range(24)] = 1
    parents = np.array((2**32 - 1, *SMPL_PARENTS[1:]), dtype=np.uint32)
    return {
        "v_template": template, "shapedirs": directions, "posedirs": np.zeros((VERTICES, 3, 207)),
        "J_regressor": regressor, "weights": weights, "f": np.stack([np.arange(300) + k for k in range(3)], 1),
        "kintree_table": np.stack([parents, np.arange(24, dtype=np.uint32)]),
    }  # fmt: skip


@cache
def smplx_arrays() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """SMPL-X of the same surface, and for each of SMPL's vertices its number here."""
    smpl, rng = smpl_arrays(), np.random.default_rng(4)
    order = rng.permutation(SMPLX_VERTICES)
    number = order[:VERTICES]

    def spread_rows(values: np.ndarray, more: np.ndarray) -> np.ndarray:
        out = np.empty((SMPLX_VERTICES, *values.shape[1:]))
        out[order] = np.concatenate([values, more])
        return out

    to = np.array([*range(22), LEFT_HAND, RIGHT_HAND])
    weights = np.zeros((VERTICES, 55))
    weights[:, to] = smpl["weights"]
    parents = [2**32 - 1, *SMPL_PARENTS[1:22], 15, 15, 15]
    for wrist in (20, 21):
        for _ in range(5):
            parents += [wrist, len(parents), len(parents) + 1]
    rest = smpl["J_regressor"] @ smpl["v_template"]
    joints = np.concatenate([rest[:22], np.repeat(rest[15:16], 3, 0), np.repeat(rest[20:22], 15, 0)])
    joints[25:] += rng.normal(0, 0.01, (30, 3))
    joints[[LEFT_HAND, RIGHT_HAND]] = rest[22:]
    # SMPL's own joints follow its vertices; the others hold to where they are.
    regressor = np.zeros((55, SMPLX_VERTICES))
    regressor[to, number[:24]] = 1
    extra = np.setdiff1d(np.arange(55), to)
    more = np.zeros((SMPLX_MORE, 3))
    more[0] = joints[extra].mean(0)
    more[1:4] = more[0] + 0.1 * np.eye(3)
    basis = np.concatenate([more[:4], np.ones((4, 1))], 1)
    regressor[extra[:, None], order[VERTICES : VERTICES + 4]] = np.concatenate(
        [joints[extra], np.ones((len(extra), 1))], 1
    ) @ np.linalg.inv(basis)
    return {
        "v_template": spread_rows(smpl["v_template"], more),
        "shapedirs": spread_rows(smpl["shapedirs"], np.zeros((SMPLX_MORE, 3, 10))),
        "posedirs": np.zeros((SMPLX_VERTICES, 3, 486), np.float32), "J_regressor": regressor,
        "weights": spread_rows(weights, np.eye(55)[[0] * SMPLX_MORE]), "f": smpl["f"],
        "kintree_table": np.stack([np.array(parents, np.uint32), np.arange(55, dtype=np.uint32)]),
        "hands_meanl": np.zeros(45), "hands_meanr": np.zeros(45),
    }, number  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BodyFiles:
    """Where the files lie."""

    smpl: Path
    smplx: Path
    transfer: Path
    mapping: Path
    faces: Path


def write_bodies(folder: Path) -> BodyFiles:
    files = BodyFiles(
        **{name: folder / f"{name}.npz" for name in ("smpl", "smplx", "mapping", "faces")},
        transfer=folder / "smplx2smpl_sparse.pt",
    )
    np.savez(files.smpl, **smpl_arrays())
    arrays, number = smplx_arrays()
    np.savez(files.smplx, **arrays)
    at = torch.from_numpy(np.stack([np.arange(VERTICES), number]))
    torch.save(torch.sparse_coo_tensor(at, torch.ones(VERTICES), (VERTICES, SMPLX_VERTICES)), files.transfer)
    triangles, ids, shares = mhr_surface()
    np.savez(files.mapping, triangle_ids=ids, baryc_coords=shares)
    np.savez(files.faces, faces=triangles)
    return files


@cache
def mhr_surface() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """MHR's triangles, and for each of SMPL's vertices its triangle and its shares: one of its corners."""
    rng = np.random.default_rng(5)
    number = mhr_numbers()
    corner = rng.integers(0, 3, VERTICES)
    triangles = rng.integers(0, VERTICES + MHR_MORE, (VERTICES + 7, 3)).astype(np.int32)
    ids = rng.permutation(len(triangles))[:VERTICES]
    triangles[ids, corner] = number
    return triangles, ids, np.eye(3, dtype=np.float32)[corner]


@cache
def mhr_numbers() -> np.ndarray:
    """(6890,): MHR's number of each of SMPL's vertices."""
    return np.random.default_rng(6).permutation(VERTICES + MHR_MORE)[:VERTICES]


def mhr_mesh(smpl_vertices: np.ndarray) -> np.ndarray:
    """(N, V, 3): MHR's mesh of SMPL's vertices (N, 6890, 3)."""
    out = np.full((len(smpl_vertices), VERTICES + MHR_MORE, 3), 9.0)
    out[:, mhr_numbers()] = smpl_vertices
    return out
