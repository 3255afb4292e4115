"""Concurrent requests of one worker: its share of `server.parallel`, and no more."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from annotators.captions.config import CaptionConfig
from annotators.endpoint.config import EndpointConfig, ServerConfig
from annotators.vlm.config import VlmConfig
from pipelines.stages.caption import CaptionStep
from pipelines.stages.motion import pack_motion
from pipelines.stages.pose2d import pack_pose
from pipelines.stages.records import Record

from .conftest import GOOD, MODEL, clip_of, says

pytestmark = pytest.mark.usefixtures("no_network")


class View:
    """The part of a clip's view that a caption step reads."""

    def __init__(self, colour: tuple[int, int, int]) -> None:
        clip = clip_of(colour)
        self.frames = clip.frames
        self._arrays = {"pose2d": pack_pose(clip.pose2d), "motion": pack_motion(clip.motion)}

    def get_arrays(self, step: str) -> dict:
        return self._arrays[step]

    def get_record(self, step: str) -> Record:
        return Record(facts={"xyxy": [0, 0, self.frames.width, self.frames.height]})


class Slow:
    """Answers after a while, and counts the requests that wait."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.waiting = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, handler, request) -> None:
        with self.lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        time.sleep(self.seconds)
        with self.lock:  # before the answer, after which the client sends its next request
            self.waiting -= 1
        says(json.dumps(GOOD))(handler, request)


def caption_step(server, num_workers: int = 1, **settings) -> CaptionStep:
    served = ServerConfig(url=server.url, **{"timeout_s": 20, "retries": 0, **settings})
    section = CaptionConfig(
        annotator="endpoint", endpoint=EndpointConfig(server=served, model=MODEL, frames=1, max_side=64)
    )
    step = CaptionStep(section)
    step.num_workers = num_workers
    step.setup()
    return step


def measure_all(step: CaptionStep, views: list[View]) -> list[Record]:
    with ThreadPoolExecutor(step.concurrency) as pool:
        return [record for record, _ in pool.map(step.measure, views)]


@pytest.fixture(scope="module")
def views() -> list[View]:
    return [View((20 * i, 40, 60)) for i in range(12)]


@pytest.mark.parametrize(
    ("parallel", "num_workers", "share"), [(6, 1, 6), (6, 2, 3), (6, 4, 1), (6, 6, 1), (6, 64, 1), (1, 1, 1)]
)
def test_workers_divide_the_concurrent_requests(server, parallel: int, num_workers: int, share: int):
    assert caption_step(server, num_workers, parallel=parallel).concurrency == share


@pytest.mark.parametrize("parallel", [5, 12])
def test_the_number_of_concurrent_requests(server, views, parallel: int) -> None:
    server.good = Slow(0.4)
    records = measure_all(caption_step(server, parallel=parallel), views)
    assert server.good.most == parallel
    assert [record.facts["full"] for record in records] == [GOOD["full"]] * 12


def test_all_workers_together_respect_the_limit(server, views) -> None:
    server.good = Slow(0.4)
    steps = [caption_step(server, 3, parallel=6) for _ in range(3)]
    with ThreadPoolExecutor(3) as workers:
        halves = list(workers.map(measure_all, steps, (views[:4], views[4:8], views[8:])))
    assert server.good.most == 6
    assert sum(len(records) for records in halves) == len(server.requests) == 12


def test_each_clip_gets_its_own_answer(server, views) -> None:
    """Threads share one captioner: each caption depends on that clip's frames."""
    from .test_annotator import decode_frames

    def red(handler, request) -> None:
        level = round(decode_frames(request)[0][..., 0].mean() / 20)
        says(json.dumps(GOOD | {"full": f"A person stands before wall number {level}."}))(handler, request)

    server.good = red
    records = measure_all(caption_step(server, parallel=12), views)
    assert [record.facts["full"] for record in records] == [
        f"A person stands before wall number {i}." for i in range(12)
    ]


def test_the_rate_limit_holds_for_concurrent_requests(server, views) -> None:
    server.good = Slow(0.3)
    measure_all(caption_step(server, parallel=12, requests_per_minute=600), views)
    times = sorted(server.times)
    assert times[-1] - times[0] > 11 * 0.1 * 0.95  # one in 0.1 s on average
    assert server.good.most <= 5  # 0.3 s each, so about 3 at once


def test_a_local_model_fills_its_batches() -> None:
    class Client:
        batch_size = 7

    step = CaptionStep(CaptionConfig(annotator="vlm", vlm=VlmConfig(weights={"path": "."})))
    assert step.concurrency == 1  # in this process
    step.setup({"caption": Client()})
    assert step.concurrency == 7
    assert CaptionStep(CaptionConfig()).concurrency == 1
