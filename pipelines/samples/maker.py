"""The maker of the sample videos: rendered people of known motion, one real video, and bad inputs of every kind.

Layout of the folder: `<category>/<motion>_<view>.mp4`, `Other/<what is wrong>.mp4`, `truth/<name>.truth.npz`.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from humove.drawing.backdrop import View
from humove.motion.body import Body
from humove.motion.camera import intrinsics_from_fov
from pipelines.progress import Reporter
from pipelines.samples.catalogue import SampleSpec, list_samples
from pipelines.samples.film import Actor, Film, JoinedFilm, render_motion, write_film
from pipelines.samples.motions import MOTIONS
from pipelines.samples.real import cut_walker, fetch_real_video

# Increase it whenever pixels or ground truth change: folders of an older version are made again.
_VERSION = "4"
_STAMP = "truth/version.txt"
BAD_INPUTS = (
    "two_people", "empty_room", "talking_head", "hard_cut", "too_dark", "truncated", "not_a_video", "copy",
)  # fmt: skip


def make_samples(folder: Path, *, report: Reporter | None = None, family: str = "demo", workers: int = 2) -> None:
    """Write the sample videos and their ground truth into `folder`; complete files are kept.

    `family` is "demo" (with the real video and the bad inputs) or "held_out" (rendered people only). The files do not
    depend on the run or the number of workers.
    """
    jobs: list[SampleSpec | str] = list(list_samples(family))
    if family == "demo":
        jobs += [name for name in BAD_INPUTS if name not in ("truncated", "copy")]
    _clear_other_version(folder, family, jobs)
    wanted = [job for job in jobs if not _get_video_path(folder, job).exists()]
    if report:
        report.start("samples", len(wanted), float(len(wanted)))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_make_sample, folder, job) for job in wanted]):
            done.result()
            if report:
                report.advance(1.0, "made")
    if report:
        report.finish()
    if family == "demo":
        whole = _get_video_path(folder, list_samples(family)[0]).read_bytes()
        _get_video_path(folder, "truncated").write_bytes(whole[: len(whole) // 2])
        _get_video_path(folder, "copy").write_bytes(whole)
        real, walker = folder / "Other" / "real_park.mp4", folder / "Daily Activity" / "real_walk.mp4"
        trouble = None if real.exists() else fetch_real_video(real)
        if trouble and report:
            report.say(trouble)
        if real.exists() and not walker.exists():
            cut_walker(real, walker)


def _clear_other_version(folder: Path, family: str, jobs: list[SampleSpec | str]) -> None:
    """Remove the files of another version, then write the version's stamp, so that an interrupted run can resume."""
    stamp, wanted = folder / _STAMP, f"{_VERSION} {family}\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    for job in jobs:
        _get_video_path(folder, job).unlink(missing_ok=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def render_sample(spec: SampleSpec) -> Film:
    """Render a sample's film, with its ground truth."""
    body = Body.load(spec.shape)
    motion = MOTIONS[spec.motion](body, spec.frames, spec.fps, np.random.default_rng(spec.seed))
    return render_motion(
        motion,
        azimuth_deg=spec.azimuth_deg,
        clothes=spec.clothes,
        scene=spec.scene,
        size=spec.size,
        fov_deg=spec.fov_deg,
        camera_height=spec.camera_height,
        seed=spec.seed,
    )


def get_truth_path(folder: Path, uri: str) -> Path:
    """Return the path of the ground truth of video `uri` (relative to `folder`); only rendered people have one."""
    return folder / "truth" / f"{Path(uri).stem}.truth.npz"


def _get_video_path(folder: Path, job: SampleSpec | str) -> Path:
    return folder / "Other" / f"{job}.mp4" if isinstance(job, str) else folder / job.category / f"{job.name}.mp4"


def _make_sample(folder: Path, job: SampleSpec | str) -> None:
    """Make one video in a worker process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    path = _get_video_path(folder, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(job, str):
        make_bad_input(job, path)
        return
    film = render_sample(job)
    truth = get_truth_path(folder, path.name)
    truth.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(truth, view=np.array(job.view), motion=np.array(job.motion), **film.compute_truth())
    write_film(film, path)


def make_bad_input(name: str, path: Path) -> None:
    """Write one of BAD_INPUTS."""
    if name == "not_a_video":
        path.write_text("This is a text file whose name ends in .mp4.\n" * 40)
        return
    first, second, *_ = (s for s in list_samples("demo") if s.motion in ("wave", "squat") and s.view == "frontal")
    first = replace(first, seed=first.seed + 900, frames=60)
    if name == "hard_cut":
        write_film(
            JoinedFilm(render_sample(first), render_sample(replace(second, seed=second.seed + 900, frames=60))), path
        )
        return
    if name == "too_dark":
        film = render_sample(replace(first, scene="hall"))
        film.light = 0.05
        write_film(film, path)
        return
    width, height = 480, 640
    k = intrinsics_from_fov(width, height, 55)
    rng = np.random.default_rng(77)
    if name == "two_people":
        motions = [MOTIONS[m](Body.load(s), 60, 30, rng) for m, s in (("wave", "woman"), ("squat", "man"))]
        for motion, x in zip(motions, (-0.55, 0.55), strict=True):
            motion.transl[:, 0] += x
        actors = [Actor(motion=m, clothes=s.clothes) for m, s in zip(motions, list_samples("demo")[1:3], strict=True)]
        view = View.look_at(k, height, width, distance=3.6)
        view = replace(view, intrinsics=intrinsics_from_fov(height, width, 55))
    elif name == "empty_room":
        actors, view = [], View.look_at(k, width, height, distance=3.4)
    elif name == "talking_head":
        motion = MOTIONS["wave"](Body.load("woman"), 60, 30, rng)
        actors = [Actor(motion=motion, clothes=list_samples("demo")[3].clothes)]
        view = View.look_at(k, width, height, target=(0, 1.42, 0), distance=1.0, camera_height=1.45)
    else:
        raise ValueError(f"no bad input {name!r}; choose one of {', '.join(BAD_INPUTS)}")
    write_film(Film(actors, view, scene="room", seed=7, frames=60, fps=30), path)
