"""Makes the sample videos: rendered people of known motion, one real video, and bad inputs of every kind.

Layout of the folder: `<category>/<motion>_<view>.mp4`, `Other/<what is wrong>.mp4`, `truth/<name>.truth.npz`.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch

from humove.backdrop import View
from humove.body import Body
from humove.camera import intrinsics_from_fov
from pipelines.samples.catalogue import Shot, shots
from pipelines.samples.film import Actor, Film, Joined, render_motion, write_film
from pipelines.samples.motions import MOTIONS
from pipelines.samples.real import cut_walker, fetch_real_video

# Raise it whenever pixels or truth change: folders made by an older version are made anew.
_VERSION = "4"
_STAMP = "truth/version.txt"
BAD_INPUTS = (
    "two_people", "empty_room", "talking_head", "hard_cut", "too_dark", "truncated", "not_a_video", "copy",
)  # fmt: skip


class Report(Protocol):
    """What is told of the work; pipelines.progress has two."""

    def start(self, stage: str, items: int, weight: float) -> None: ...

    def advance(self, weight: float, outcome: str) -> None: ...

    def finish(self) -> None: ...

    def say(self, line: str) -> None: ...


def make_samples(folder: Path, *, report: Report | None = None, family: str = "demo", workers: int = 2) -> None:
    """Writes the sample videos and their truth below `folder`; what is there already, whole, is kept.

    `family` is "demo" (with the real video and the bad inputs) or "held_out" (rendered people only). The files are the
    same on every run and with any number of workers.
    """
    jobs: list[Shot | str] = list(shots(family))
    if family == "demo":
        jobs += [name for name in BAD_INPUTS if name not in ("truncated", "copy")]
    _clear_other_version(folder, family, jobs)
    wanted = [job for job in jobs if not _path(folder, job).exists()]
    if report:
        report.start("samples", len(wanted), float(len(wanted)))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_make, folder, job) for job in wanted]):
            done.result()
            if report:
                report.advance(1.0, "made")
    if report:
        report.finish()
    if family == "demo":
        whole = _path(folder, shots(family)[0]).read_bytes()
        _path(folder, "truncated").write_bytes(whole[: len(whole) // 2])
        _path(folder, "copy").write_bytes(whole)
        real, walker = folder / "Other" / "real_park.mp4", folder / "Daily Activity" / "real_walk.mp4"
        trouble = None if real.exists() else fetch_real_video(real)
        if trouble and report:
            report.say(trouble)
        if real.exists() and not walker.exists():
            cut_walker(real, walker)


def _clear_other_version(folder: Path, family: str, jobs: list[Shot | str]) -> None:
    """Removes what another version made, then says which version makes what follows: an interrupted run goes on."""
    stamp, wanted = folder / _STAMP, f"{_VERSION} {family}\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    for job in jobs:
        _path(folder, job).unlink(missing_ok=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def film_of(shot: Shot) -> Film:
    """The shot's film, with its truth."""
    body = Body.load(shot.shape)
    motion = MOTIONS[shot.motion](body, shot.frames, shot.fps, np.random.default_rng(shot.seed))
    return render_motion(
        motion,
        azimuth_deg=shot.azimuth_deg,
        clothes=shot.clothes,
        scene=shot.scene,
        size=shot.size,
        fov_deg=shot.fov_deg,
        camera_height=shot.camera_height,
        seed=shot.seed,
    )


def truth_path(folder: Path, uri: str) -> Path:
    """Where the truth of the sample video `uri` (relative to `folder`) lies; it exists for rendered people only."""
    return folder / "truth" / f"{Path(uri).stem}.truth.npz"


def _path(folder: Path, job: Shot | str) -> Path:
    return folder / "Other" / f"{job}.mp4" if isinstance(job, str) else folder / job.category / f"{job.name}.mp4"


def _make(folder: Path, job: Shot | str) -> None:
    """One job, in a worker process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    path = _path(folder, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(job, str):
        make_bad(job, path)
        return
    film = film_of(job)
    truth = truth_path(folder, path.name)
    truth.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(truth, view=np.array(job.view), motion=np.array(job.motion), **film.truth())
    write_film(film, path)


def make_bad(name: str, path: Path) -> None:
    """Writes one of BAD_INPUTS."""
    if name == "not_a_video":
        path.write_text("This is a text file whose name ends in .mp4.\n" * 40)
        return
    first, second, *_ = (s for s in shots("demo") if s.motion in ("wave", "squat") and s.view == "frontal")
    first = replace(first, seed=first.seed + 900, frames=60)
    if name == "hard_cut":
        write_film(Joined(film_of(first), film_of(replace(second, seed=second.seed + 900, frames=60))), path)
        return
    if name == "too_dark":
        film = film_of(replace(first, scene="hall"))
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
        actors = [Actor(motion=m, clothes=s.clothes) for m, s in zip(motions, shots("demo")[1:3], strict=True)]
        view = View.around(k, height, width, distance=3.6)
        view = replace(view, intrinsics=intrinsics_from_fov(height, width, 55))
    elif name == "empty_room":
        actors, view = [], View.around(k, width, height, distance=3.4)
    elif name == "talking_head":
        motion = MOTIONS["wave"](Body.load("woman"), 60, 30, rng)
        actors = [Actor(motion=motion, clothes=shots("demo")[3].clothes)]
        view = View.around(k, width, height, target=(0, 1.42, 0), distance=1.0, camera_height=1.45)
    else:
        raise ValueError(f"no bad input {name!r}: choose one of {', '.join(BAD_INPUTS)}")
    write_film(Film(actors, view, scene="room", seed=7, frames=60, fps=30), path)
