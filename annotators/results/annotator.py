"""The annotator: SMPL motion and, if known, the camera's path from the clip's file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.body_models import SMPL_BODY
from annotators.motion_clip import MotionClip, WorldMotion, interpolate_track
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.smoothing import smooth_motion
from annotators.network import Network, load_network
from annotators.results import camerahmr, gvhmr, sam3d_body, wham
from annotators.results.bodies import Bodies
from annotators.results.camera_path import interpolate_path
from annotators.results.config import ResultsConfig
from annotators.results.found import FrameRequest, PersonMotion, UnusableFile
from annotators.results.mhr import MhrMapping
from annotators.results.places import ResultPath, find_result, format_candidates
from annotators.results.refit import Refit, RefitNetwork
from annotators.results.smplx_body import SmplxBody
from annotators.smpl.body import SmplBody
from humove.motion.body import compute_joints
from humove.motion.camera import FocalSource, project_points
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import PersonTrack

_MIN_FRAMES = 3
_MAX_ASPECT_ERROR = 0.02
"""Tolerance of the aspect ratio of the program's image relative to the video's."""
_REQUIRED = {"gvhmr": ("smplx", "smplx_to_smpl"), "sam3d_body": ("mhr_to_smpl", "mhr_faces")}
"""Files that a format requires beside the folder and SMPL."""
_FORMATS = {"camerahmr": camerahmr, "wham": wham, "gvhmr": gvhmr, "sam3d_body": sam3d_body}


class ResultsMotion:
    """Motion from result files of CameraHMR, WHAM, GVHMR or SAM 3D Body."""

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
        self.cpu_only = config.format not in _REQUIRED  # the others fit SMPL to meshes
        self.optional_weights = tuple(
            name for key, names in _REQUIRED.items() for name in names if key != config.format
        )
        self.network: Network | None = None if self.cpu_only else RefitNetwork(config)
        self._bodies: Bodies | None = None
        self._folder = Path()

    def load(self, device: str, network: Network | None = None) -> None:
        """Read the body models. Errors: UserError if the folder or a required file is missing or wrong."""
        self._folder = self.config.folder.resolve_folder("motion.results.folder")
        if self.network is not None:
            self.network = load_network(self.network, device, network)
        self._bodies = load_bodies(self.config, self.network)

    def annotate(self, batch: Sequence[MotionClip]) -> list[WorldMotion | Reject]:
        """Read the motion of each clip; a clip without a file, or with one that doesn't fit it, is rejected."""
        if self._bodies is None:
            raise RuntimeError("ResultsMotion.annotate before load")
        return [self._annotate_clip(item, self._bodies) for item in batch]

    def _annotate_clip(self, item: MotionClip, bodies: Bodies) -> WorldMotion | Reject:
        reader = _FORMATS[self.config.format]
        result = find_result(self._folder, item.clip, reader.NAMES)
        if result is None:
            detail = f"no file of {self.config.format} for it; looked for {format_candidates(item.clip, reader.NAMES)}"
            return Reject(reason=Reason.NO_MOTION, detail=detail)
        try:
            return _build_motion(item, result, reader.read_people, bodies, self.config)
        except UnusableFile as error:
            where = result.path.relative_to(self._folder)
            return Reject(reason=Reason.NO_MOTION, detail=f"{self.config.format}, {where}: {error}")


def load_bodies(config: ResultsConfig, network: Network | None) -> Bodies:
    """Load the body models of the format; `network` fits SMPL to meshes, if the format needs it. Errors: UserError."""
    body = SmplBody.load(config.smpl.resolve_file("motion.results.smpl"))
    if network is None:
        return Bodies(smpl=body)
    refit = Refit(network)
    if config.format == "gvhmr":
        files = (
            config.smplx.resolve_file("motion.results.smplx"),
            config.smplx_to_smpl.resolve_file("motion.results.smplx_to_smpl"),
        )
        return Bodies(smpl=body, smplx=SmplxBody(*files, refit))
    files = (
        config.mhr_to_smpl.resolve_file("motion.results.mhr_to_smpl"),
        config.mhr_faces.resolve_file("motion.results.mhr_faces"),
    )
    return Bodies(smpl=body, mhr=MhrMapping.load(*files, refit))


def _build_motion(
    item: MotionClip, result: ResultPath, read: Callable[..., list[PersonMotion]], bodies: Bodies, config: ResultsConfig
) -> WorldMotion | Reject:
    video, n = item.clip.video, len(item.source_frames)
    start, end = (item.clip.start_frame, item.clip.end_frame) if result.by_clip else (0, video.num_frames)
    numbers = item.source_frames - start
    request = FrameRequest(frames=np.unique(numbers), total=end - start, width=video.width, height=video.height)
    people = [_PersonInCamera.from_file(found, item, bodies) for found in read(result.path, request, bodies)]
    if not people:
        raise UnusableFile("nobody is on the clip's frames")
    person = people[0] if len(people) == 1 else max(people, key=lambda p: p.measure_overlap(item.track, numbers))
    found = person.found
    at = np.clip(np.searchsorted(found.frames, numbers), 0, len(found.frames) - 1)
    valid = found.frames[at] == numbers
    if valid.sum() < _MIN_FRAMES:
        raise UnusableFile(f"the person is on {int(valid.sum())} of the clip's {n} frames")
    raw = RawMotion(
        betas=found.betas[at],
        rest_joints=person.rest_joints[at],
        global_orient=found.pose[at, 0],
        body_pose=found.pose[at, 1:],
        transl=person.transl[at],
        confidence=np.ones(n),
    )
    motion = smooth_motion(raw, valid, item.fps, config.smoothing).to_motion(person.intrinsics, item.source_frames)
    world = None
    if found.camera_path is not None:
        rotation, position = found.camera_path
        world = interpolate_path(rotation[at[valid]], position[at[valid]], valid)
    return WorldMotion(motion=motion, focal=FocalSource(source="annotator", detail=found.camera.detail), world=world)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _PersonInCamera:
    """A person in a file, with one camera for all frames."""

    found: PersonMotion
    rest_joints: np.ndarray
    """(M, 24, 3) m."""
    intrinsics: np.ndarray
    """(3, 3) px of the clip's frames."""
    transl: np.ndarray
    """(M, 3) m."""

    @classmethod
    def from_file(cls, found: PersonMotion, item: MotionClip, bodies: Bodies) -> "_PersonInCamera":
        """Convert a file's person to one focal length: the median of the frames'. The depth of the pelvis changes by
        the same factor, so that the body covers the same pixels."""
        camera = found.camera
        if abs(camera.width / camera.height * item.height / item.width - 1) > _MAX_ASPECT_ERROR:
            raise UnusableFile(
                f"made from an image of {camera.width:g}x{camera.height:g}, the video's is "
                f"{item.width}x{item.height}: run the program on the whole, upright frame"
            )
        if (camera.focal_px <= 0).any():
            raise UnusableFile("a focal length is not above 0")
        focal = float(np.median(camera.focal_px))
        pixels = focal * max(item.width, item.height) / max(camera.width, camera.height)
        rest = bodies.smpl.compute_rest_joints(found.betas)
        pelvis = found.transl + rest[:, 0]
        pelvis[:, 2] *= focal / camera.focal_px
        return cls(
            found=found,
            rest_joints=rest,
            intrinsics=np.array([[pixels, 0, item.width / 2], [0, pixels, item.height / 2], [0, 0, 1]], np.float32),
            transl=pelvis - rest[:, 0],
        )

    def measure_overlap(self, track: PersonTrack, numbers: np.ndarray) -> float:
        """Sum the intersection over union with a track's boxes over the clip's frames; frame i is `numbers[i]` of the
        file."""
        boxes, near = interpolate_track(track, len(numbers))
        total = 0.0
        for i in np.flatnonzero(near & np.isin(numbers, self.found.frames)):
            row = int(np.searchsorted(self.found.frames, numbers[i]))
            pose = self.found.pose[row]
            (joints,) = compute_joints(self.rest_joints[row], pose[None, 0], pose[None, 1:], self.transl[None, row])
            pixels = project_points(joints, self.intrinsics)
            total += _compute_iou(np.concatenate([pixels.min(0), pixels.max(0)]), boxes[i])
        return total


def _compute_iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    return both / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both, 1e-9)
