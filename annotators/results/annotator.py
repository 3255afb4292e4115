"""The annotator: the clip's file in, SMPL motion and, where it is known, the camera's path out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.body_models import SMPL_BODY
from annotators.motion_clip import MotionClip, WorldMotion, boxes_on_every_frame
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.smoothing import smoothed
from annotators.network import Network, load_network
from annotators.results import camerahmr, gvhmr, sam3d_body, wham
from annotators.results.bodies import Bodies
from annotators.results.camera_path import on_every_frame
from annotators.results.config import ResultsConfig
from annotators.results.found import Found, NotUsable, Wanted
from annotators.results.mhr import MhrMapping
from annotators.results.places import Place, looked_for, place_of
from annotators.results.refit import Refit, RefitNetwork
from annotators.results.smplx_body import SmplxBody
from annotators.smpl.body import SmplBody
from humove.body import joints_of_pose
from humove.camera import Focal, project
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import PersonTrack

_FEWEST_FRAMES = 3
_SAME_SHAPE = 0.02
"""By how much the sides' ratio of the program's picture may be off the video's."""
_NEEDS = {"gvhmr": ("smplx", "smplx_to_smpl"), "sam3d_body": ("mhr_to_smpl", "mhr_faces")}
"""Files that a format needs beside the folder and SMPL."""
_FORMATS = {"camerahmr": camerahmr, "wham": wham, "gvhmr": gvhmr, "sam3d_body": sam3d_body}


class ResultsMotion:
    """Reads what CameraHMR, WHAM, GVHMR or SAM 3D Body have written."""

    Settings = ResultsConfig
    name = "results"
    version = "1"
    rights = "non-commercial"
    weights: tuple[str, ...] = ()
    body_model = SMPL_BODY
    shape_source = "true"

    def __init__(self, config: ResultsConfig) -> None:
        self.config = config
        self.licence = _FORMATS[config.format].LICENCE
        self.cpu_only = config.format not in _NEEDS  # the others fit SMPL to meshes
        self.optional_weights = tuple(name for form, names in _NEEDS.items() for name in names if form != config.format)
        self.network: Network | None = None if self.cpu_only else RefitNetwork(config)
        self._bodies: Bodies | None = None
        self._folder = Path()

    def load(self, device: str, network: Network | None = None) -> None:
        """Reads the bodies. Errors: UserError where the folder or a body that the format needs is missing or wrong."""
        self._folder = self.config.folder.folder("motion.results.folder")
        if self.network is not None:
            self.network = load_network(self.network, device, network)
        self._bodies = bodies_for(self.config, self.network)

    def annotate(self, batch: Sequence[MotionClip]) -> list[WorldMotion | Reject]:
        """One motion for each clip; a clip without a file, or with one that doesn't fit it, is rejected."""
        if self._bodies is None:
            raise RuntimeError("ResultsMotion.annotate before load")
        return [self._one(item, self._bodies) for item in batch]

    def _one(self, item: MotionClip, bodies: Bodies) -> WorldMotion | Reject:
        reader = _FORMATS[self.config.format]
        place = place_of(self._folder, item.clip, reader.NAMES)
        if place is None:
            said = f"no file of {self.config.format} for it; looked for {looked_for(item.clip, reader.NAMES)}"
            return Reject(reason=Reason.NO_MOTION, detail=said)
        try:
            return _motion(item, place, reader.read, bodies, self.config)
        except NotUsable as error:
            where = place.path.relative_to(self._folder)
            return Reject(reason=Reason.NO_MOTION, detail=f"{self.config.format}, {where}: {error}")


def bodies_for(config: ResultsConfig, network: Network | None) -> Bodies:
    """The bodies that the format needs; `network` fits SMPL to meshes, where it needs that. Errors: UserError."""
    body = SmplBody.load(config.smpl.file("motion.results.smpl"))
    if network is None:
        return Bodies(smpl=body)
    refit = Refit(network)
    if config.format == "gvhmr":
        files = config.smplx.file("motion.results.smplx"), config.smplx_to_smpl.file("motion.results.smplx_to_smpl")
        return Bodies(smpl=body, smplx=SmplxBody(*files, refit))
    files = config.mhr_to_smpl.file("motion.results.mhr_to_smpl"), config.mhr_faces.file("motion.results.mhr_faces")
    return Bodies(smpl=body, mhr=MhrMapping.load(*files, refit))


def _motion(
    item: MotionClip, place: Place, read: Callable[..., list[Found]], bodies: Bodies, config: ResultsConfig
) -> WorldMotion | Reject:
    video, n = item.clip.video, len(item.source_frames)
    start, end = (item.clip.start_frame, item.clip.end_frame) if place.by_clip else (0, video.num_frames)
    asked = item.source_frames - start
    wanted = Wanted(frames=np.unique(asked), total=end - start, width=video.width, height=video.height)
    people = [_Person.of(found, item, bodies) for found in read(place.path, wanted, bodies)]
    if not people:
        raise NotUsable("nobody is on the clip's frames")
    person = people[0] if len(people) == 1 else max(people, key=lambda p: p.overlap(item.track, asked))
    found = person.found
    at = np.clip(np.searchsorted(found.frames, asked), 0, len(found.frames) - 1)
    valid = found.frames[at] == asked
    if valid.sum() < _FEWEST_FRAMES:
        raise NotUsable(f"the person is on {int(valid.sum())} of the clip's {n} frames")
    raw = RawMotion(
        betas=found.betas[at],
        rest_joints=person.rest_joints[at],
        global_orient=found.pose[at, 0],
        body_pose=found.pose[at, 1:],
        transl=person.transl[at],
        confidence=np.ones(n),
    )
    motion = smoothed(raw, valid, item.fps, config.smoothing).motion(person.intrinsics, item.source_frames)
    world = None
    if found.camera_path is not None:
        rotation, position = found.camera_path
        world = on_every_frame(rotation[at[valid]], position[at[valid]], valid)
    return WorldMotion(motion=motion, focal=Focal(source="annotator", detail=found.picture.detail), world=world)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Person:
    """Somebody in a file, under one camera for all frames."""

    found: Found
    rest_joints: np.ndarray
    """(M, 24, 3) m."""
    intrinsics: np.ndarray
    """(3, 3) px of the clip's frames."""
    transl: np.ndarray
    """(M, 3) m."""

    @classmethod
    def of(cls, found: Found, item: MotionClip, bodies: Bodies) -> "_Person":
        """Where the program took another focal length for each frame, their median is taken, and the depth of the
        pelvis changes by the same factor, so that the body covers the same pixels."""
        picture = found.picture
        if abs(picture.width / picture.height * item.height / item.width - 1) > _SAME_SHAPE:
            raise NotUsable(
                f"made from a picture of {picture.width:g}x{picture.height:g}, the video's is "
                f"{item.width}x{item.height}: run the program on the whole, upright picture"
            )
        if (picture.focal_px <= 0).any():
            raise NotUsable("a focal length is not above 0")
        focal = float(np.median(picture.focal_px))
        pixels = focal * max(item.width, item.height) / max(picture.width, picture.height)
        rest = bodies.smpl.rest_joints(found.betas)
        pelvis = found.transl + rest[:, 0]
        pelvis[:, 2] *= focal / picture.focal_px
        return cls(
            found=found,
            rest_joints=rest,
            intrinsics=np.array([[pixels, 0, item.width / 2], [0, pixels, item.height / 2], [0, 0, 1]], np.float32),
            transl=pelvis - rest[:, 0],
        )

    def overlap(self, track: PersonTrack, asked: np.ndarray) -> float:
        """How well the person fits a track: intersection over union with its boxes, summed over the clip's frames, of
        which frame i is `asked[i]` of the file."""
        boxes, near = boxes_on_every_frame(track, len(asked))
        total = 0.0
        for i in np.flatnonzero(near & np.isin(asked, self.found.frames)):
            row = int(np.searchsorted(self.found.frames, asked[i]))
            pose = self.found.pose[row]
            (joints,) = joints_of_pose(self.rest_joints[row], pose[None, 0], pose[None, 1:], self.transl[None, row])
            pixels = project(joints, self.intrinsics)
            total += _iou(np.concatenate([pixels.min(0), pixels.max(0)]), boxes[i])
        return total


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    return both / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both, 1e-9)
