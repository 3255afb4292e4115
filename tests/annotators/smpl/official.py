"""SMPL files of the true format, made here: the right keys, shapes and classes, and a body whose answers are known.

The first 24 vertices are the joints themselves (so the regressor is ones and zeros), the next two the top and the
bottom of the body; the others lie in the pelvis. The betas do one plain thing each, see `DIRECTIONS`.
"""

import pickle
import struct
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from humove.motion.body import Body
from humove.motion.skeletons import SMPL_JOINTS, SMPL_PARENTS

VERTICES = 6890
TOP, BOTTOM = 24, 25
SIZE, LEGS, ARMS, HIPS = range(4)
"""What the first four betas change; the other six change nothing."""
PER_BETA = 0.04
"""By how much of the length."""


def body_arrays(betas: int = 10) -> dict[str, np.ndarray]:
    """A body's arrays in the dtypes of the official files."""
    rest = Body.load().rest_joints.astype(np.float64)
    template = np.tile(rest[0], (VERTICES, 1))
    template[:24] = rest
    template[TOP] = (0, rest[15, 1] + 0.2, 0)
    template[BOTTOM] = (0, rest[10, 1] - 0.05, 0)
    directions = np.zeros((VERTICES, 3, betas))
    directions[..., SIZE] = PER_BETA * template
    for beta, names in ((LEGS, ("knee", "ankle")), (ARMS, ("elbow", "wrist")), (HIPS, ("hip",))):
        directions[:24, :, beta] = PER_BETA * _stretch_bones(rest, names)
    directions[BOTTOM, :, LEGS] = directions[10, :, LEGS]
    regressor = np.zeros((24, VERTICES))
    regressor[range(24), range(24)] = 1
    weights = np.zeros((VERTICES, 24))
    weights[range(24), range(24)] = 1
    weights[24:, 0] = 1
    faces = np.stack([np.arange(13776) % VERTICES, np.arange(13776) * 7 % VERTICES, np.arange(13776) * 3 % VERTICES], 1)
    parents = np.array((2**32 - 1, *SMPL_PARENTS[1:]), dtype=np.uint32)
    return {
        "v_template": template, "shapedirs": directions, "posedirs": np.zeros((VERTICES, 3, 207)),
        "J_regressor": regressor, "weights": weights, "f": faces.astype(np.uint32),
        "kintree_table": np.stack([parents, np.arange(24, dtype=np.uint32)]),
    }  # fmt: skip


def _stretch_bones(rest: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """(24, 3): how joints move when the bones that end in these joints grow by their own length."""
    out = np.zeros((24, 3))
    for joint in range(1, 24):
        parent = SMPL_PARENTS[joint]
        grows = SMPL_JOINTS[joint].partition("_")[2] in names
        out[joint] = out[parent] + (rest[joint] - rest[parent]) * grows
    return out


@contextmanager
def _provide_chumpy():
    """Modules by the name of chumpy's, with classes that pickle like its: the library itself no longer installs."""
    ch, reordering = types.ModuleType("chumpy.ch"), types.ModuleType("chumpy.reordering")
    ch.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    reordering.Select = type("Select", (ch.Ch,), {"__module__": "chumpy.reordering"})
    reordering.transpose = type("transpose", (ch.Ch,), {"__module__": "chumpy.reordering"})
    names = {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": ch, "chumpy.reordering": reordering}
    sys.modules |= names
    try:
        yield ch, reordering
    finally:
        for name in names:
            del sys.modules[name]


class _Python2Pickler(pickle._Pickler):
    """Writes what Python 2 and its numpy wrote: bytes as strings, and names as they were then."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes

    def save_global(self, value, name=None) -> None:
        if getattr(value, "__module__", "").startswith(("numpy._core.multiarray", "scipy.sparse._csc")):
            module = value.__module__.replace("numpy._core", "numpy.core").replace("sparse._csc", "sparse.csc")
            self.write(pickle.GLOBAL + f"{module}\n{value.__qualname__}\n".encode())
            self.memoize(value)
        else:
            super().save_global(value, name)

    dispatch[type] = save_global
    dispatch[types.FunctionType] = save_global


def write_official(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """A pickle like basicModel_neutral_lbs_10_207_0_v1.0.0.pkl: chumpy's shapes, scipy's sparse regressor, and keys
    that nobody needs."""
    from scipy.sparse import csc_matrix

    with _provide_chumpy() as (ch, reordering):

        def make_lazy(kind, **state):
            made = kind.__new__(kind)
            made.__dict__.update(_dirty_vars=set(), _itr=None, _make_dense=False, _depends_on_deps={}, **state)
            return made

        more = np.concatenate([arrays["shapedirs"], np.ones((VERTICES, 3, 2))], 2)
        picked = np.arange(more.size).reshape(more.shape)[..., :10].ravel()
        regressor = csc_matrix(arrays["J_regressor"])
        held = arrays | {
            "v_template": make_lazy(ch.Ch, x=arrays["v_template"]),
            "shapedirs": make_lazy(
                reordering.Select, a=make_lazy(ch.Ch, x=more), idxs=picked, preferred_shape=(VERTICES, 3, 10)
            ),
            "weights": np.asfortranarray(arrays["weights"]),
            "J_regressor": regressor,
            "J_regressor_prior": regressor,
            "J": make_lazy(reordering.transpose, a=make_lazy(ch.Ch, x=arrays["v_template"][:24].T), axes=None),
            "bs_style": "lbs",
            "bs_type": "lrotmin",
            "pose_training_info": {"gender": "neutral"},
        }
        with path.open("wb") as file:
            _Python2Pickler(file, protocol=2).dump(held)
