"""Rest joints of the true body if the user has its file, else of the open body."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from humove.errors import UserError
from humove.motion.body import Body
from shards.motion_only.schemas import MotionBody

GENDERS = ("female", "male", "neutral")
_FILES = ("{gender}/model.npz", "SMPLH_{upper}.npz", "SMPL_{upper}.npz")
_SMPLH_TO_SMPL = (*range(22), 25, 40)
"""SMPL+H's 52 joints to SMPL's 24: its hands are where SMPL+H has the middle fingers' knuckles."""
_OPEN_LICENCE = "Apache-2.0 (code), CC0-1.0 (data)"
_SMPL_LICENCE = "SMPL: non-commercial research"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RestBody:
    """A body's rest joints (24, 3) float32 m, the betas (10,) float32 that determine them, and its record."""

    rest_joints: np.ndarray
    betas: np.ndarray
    record: MotionBody


def make_open_rest_body(body: Body | None = None, *, gender: str = "", betas: np.ndarray | None = None) -> RestBody:
    """Return the open body instead of the source's, whose gender and betas are only recorded."""
    return RestBody(
        rest_joints=(body or Body.load()).rest_joints,
        betas=np.zeros(10, np.float32),
        record=MotionBody(
            name="anny-smpl24",
            licence=_OPEN_LICENCE,
            gender=gender,
            shape_source="proxy",
            source_betas=() if betas is None else tuple(float(x) for x in betas),
        ),
    )


class TrueBodies:
    """The user's own SMPL or SMPL+H files: GENDER/model.npz (as SMPL+H comes), SMPLH_GENDER.npz or SMPL_GENDER.npz.

    UserError if the folder lacks the female or the male body, or a file is not a body.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for gender in ("female", "male"):
            self._get_joints(gender)

    def make_rest_body(self, gender: str, betas: np.ndarray) -> RestBody:
        """Return the body of a gender with betas (10 or more,); an unknown gender is treated as neutral."""
        wanted = gender if gender in GENDERS else "neutral"
        template, directions = self._get_joints(wanted)
        used = np.zeros(10)
        used[: min(10, len(betas))] = betas[:10]
        return RestBody(
            rest_joints=(template + directions @ used).astype(np.float32),
            betas=used.astype(np.float32),
            record=MotionBody(
                name="smpl",
                licence=_SMPL_LICENCE,
                gender=gender,
                shape_source="true",
                source_betas=tuple(float(x) for x in betas),
            ),
        )

    def _get_joints(self, gender: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the joints of the mean shape (24, 3), and their derivative by each beta (24, 3, 10)."""
        if gender not in self._read:
            self._read[gender] = _read_body(self._find_file(gender))
        return self._read[gender]

    def _find_file(self, gender: str) -> Path:
        names = [name.format(gender=gender, upper=gender.upper()) for name in _FILES]
        for name in names:
            if (self._folder / name).is_file():
                return self._folder / name
        raise UserError(
            f"{self._folder} has no {' or '.join(names)}; give the folder of SMPL+H bodies as npz (`humove "
            "convert-smpl` converts pickles), or leave the body models out to use the open body"
        )


def _read_body(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as box:
            template = np.asarray(box["v_template"], dtype=np.float64)
            directions = np.asarray(box["shapedirs"], dtype=np.float64)[..., :10]
            regressor = np.asarray(box["J_regressor"], dtype=np.float64)
        if regressor.shape[0] not in (24, 52) or directions.shape[1:] != (3, 10):
            raise ValueError(f"{regressor.shape[0]} joints and shapedirs {directions.shape}")
        joints, moved = regressor @ template, np.einsum("jv,vcb->jcb", regressor, directions)
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not an SMPL or SMPL+H body ({error}); download its npz form again") from error
    picked = list(_SMPLH_TO_SMPL) if len(joints) == 52 else list(range(24))
    return joints[picked], moved[picked]
