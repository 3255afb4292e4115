"""The complete captioner with a real server: requests, answers, cache."""

import base64
import json
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from annotators.captions.config import CaptionConfig
from annotators.captions.inputs import CaptionInput
from annotators.captions.models.narrated import NarratedCaption
from annotators.endpoint.annotator import EndpointCaptioner
from annotators.endpoint.client import EndpointError
from annotators.endpoint.config import EndpointConfig, ServerConfig
from annotators.registry import build_annotator_record, get_annotator_settings, load_annotator
from humove.errors import UserError
from humove.types import Caption

from .conftest import GOOD, MODEL, clip_of, says, send

pytestmark = pytest.mark.usefixtures("no_network")


def captioner(server, cache: Path | None = None, retry_settings: dict | None = None, **settings) -> EndpointCaptioner:
    retry_settings = {
        "timeout_s": 5,
        "retries": 2,
        "backoff_s": 0.01,
        "cache": str(cache or ""),
        **(retry_settings or {}),
    }
    section = CaptionConfig(
        annotator="endpoint",
        endpoint=EndpointConfig(server=ServerConfig(url=server.url, **retry_settings), model=MODEL, **settings),
    )
    return load_annotator("caption", section)


def decode_frames(request: dict) -> list[np.ndarray]:
    """Decode the frames of a request, RGB."""
    parts = [p["image_url"]["url"] for p in request["messages"][0]["content"] if p["type"] == "image_url"]
    raw = [np.frombuffer(base64.b64decode(url.removeprefix("data:image/jpeg;base64,")), np.uint8) for url in parts]
    return [cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1] for data in raw]


def test_a_caption(server, clip) -> None:
    (caption,) = captioner(server).annotate([clip])
    texts = {name: GOOD[name] for name in ("appearance", "background", "action", "full")}
    assert caption == NarratedCaption(**texts, category="Golf", source=f"endpoint:{MODEL}")


def test_the_request(server, clip) -> None:
    captioner(server, frames=3, max_side=128, max_words=60, instruction="Be brief.").annotate([clip])
    (request,) = server.requests
    assert (request["model"], request["temperature"], request["max_tokens"]) == (MODEL, 0.0, 768)
    response_format = request["response_format"]
    assert response_format["type"] == "json_schema" and response_format["json_schema"]["strict"] is True
    assert response_format["json_schema"]["schema"]["required"] == ["appearance", "background", "action", "full"]
    pictures = decode_frames(request)
    assert [p.shape for p in pictures] == [(128, 114, 3)] * 3
    assert all(np.abs(p.astype(int) - (30, 60, 170)).max() <= 3 for p in pictures)
    text = request["messages"][0]["content"][-1]["text"]
    assert text.startswith("These 3 pictures are frames of one video clip of 1.0 seconds")
    assert "at most 60 words" in text and text.endswith("Be brief.")
    assert "category" not in text and "Measured" not in text


def test_frames_are_spread_and_only_the_stored_window_is_sent(server, clip) -> None:
    pictures = np.zeros((len(clip.frames), 720, 640, 3), np.uint8)
    pictures[:, 100:300, 200:500] = np.arange(len(clip.frames))[:, None, None, None] * 8
    frames = type(clip.frames)(pictures, 30)
    crop = CaptionInput(
        frames=frames, pose2d=clip.pose2d, motion=clip.motion, fps=clip.fps, crop_xyxy=(200.0, 100.0, 500.0, 300.0)
    )
    captioner(server, frames=3).annotate([crop])
    got = decode_frames(server.requests[0])
    assert [p.shape for p in got] == [(200, 300, 3)] * 3
    assert [round(float(p.mean()) / 8) for p in got] == [5, 15, 25]


@pytest.mark.parametrize("structured", ["json_object", "none"])
def test_how_a_request_asks_for_json(server, clip, structured: str) -> None:
    captioner(server, structured=structured).annotate([clip])
    assert server.requests[0].get("response_format") == ({"type": "json_object"} if structured != "none" else None)


def test_facts_and_categories_go_into_the_prompt_on_request(server, clip) -> None:
    captioner(server, facts=True, category=True).annotate([clip])
    text = server.requests[0]["messages"][0]["content"][-1]["text"]
    assert "the person raises the left arm" in text
    assert "Archery, Cycling" in text and "Daily Activity, Other" in text
    schema = server.requests[0]["response_format"]["json_schema"]["schema"]
    assert len(schema["properties"]["category"]["enum"]) == 38


def test_a_batch_is_requested_in_parallel_and_returned_in_order(server) -> None:
    waiting, most, lock = 0, 0, threading.Lock()

    def colour(handler, request) -> None:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        time.sleep(0.4)
        with lock:  # before the answer, after which the client sends its next request
            waiting -= 1
        red = decode_frames(request)[0][0, 0, 0] > 120
        full = "A person stands before a red wall." if red else "A person stands before a dark wall."
        says(json.dumps(GOOD | {"full": full}))(handler, request)

    server.good = colour
    clips = [clip_of((200, 0, 0) if i % 3 == 0 else (10, 10, 10)) for i in range(9)]
    captions = captioner(server, frames=1, max_side=64, retry_settings={"parallel": 3}).annotate(clips)
    assert ["red" in c.full for c in captions] == [i % 3 == 0 for i in range(9)]
    assert most == 3


def test_an_invalid_answer_is_requested_again_at_a_higher_temperature(server, clip) -> None:
    server.plan = [says("A person swings."), says(json.dumps({**GOOD, "action": ""}))]
    (caption,) = captioner(server).annotate([clip])
    assert caption.action == GOOD["action"]
    assert [(r["temperature"], r["seed"]) for r in server.requests] == [(0.0, 0), (0.7, 1), (0.7, 2)]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (says("no JSON here"), "holds no JSON object: 'no JSON here'"),
        (says(json.dumps(GOOD)[:-9], reason="length"), "cut off at max_tokens; raise caption.endpoint.max_tokens"),
        (says('{"appearance": "x"}'), "background: Field required"),
        (says(json.dumps(GOOD | {"full": 7})), "full: Input should be a valid string"),
        (says(json.dumps(GOOD | {"full": "w " * 3000})), "full: Value error, has 5999 letters"),
    ],
)
def test_a_model_without_a_valid_answer_is_a_fault(server, clip, answer, why: str) -> None:
    server.good = answer
    with pytest.raises(EndpointError) as raised:
        captioner(server).annotate([clip])
    assert f"{MODEL}: 3 answers were invalid, the last one: " in str(raised.value) and why in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [says("I'm sorry, but I can't help with that."), says("", refusal="No."), says("", reason="content_filter"),
     says(json.dumps(GOOD | {"full": "As an AI, I am unable to describe people."}))],
    ids=["in words", "by the protocol", "by a filter", "in the form"],
)  # fmt: skip
def test_a_refusal_gives_the_measured_caption_and_is_recorded(server, clip, answer) -> None:
    server.good = answer
    (caption,) = captioner(server).annotate([clip])
    assert (caption.refused, caption.source) == (True, "kinematics")
    assert "raises the left arm" in caption.full
    assert len(server.requests) == 1  # a retry would not help


def test_the_cache_is_keyed_by_clip_and_prompt(server, clip, tmp_path: Path) -> None:
    other = clip_of((200, 10, 10))
    first = captioner(server, tmp_path).annotate([clip, other])
    assert len(server.requests) == 2
    again = captioner(server, tmp_path, retry_settings={"timeout_s": 7}).annotate([other, clip])
    assert again == first[::-1] and len(server.requests) == 2
    captioner(server, tmp_path, instruction="Be brief.").annotate([clip])
    captioner(server, tmp_path, revision="2").annotate([clip])
    assert len(server.requests) == 4


def test_a_refusal_is_cached_a_bad_answer_and_a_damaged_file_are_not(server, clip, tmp_path: Path) -> None:
    server.plan = [says("gibberish")] * 3
    with pytest.raises(EndpointError):
        captioner(server, tmp_path).annotate([clip])
    assert not list(tmp_path.rglob("*.json"))
    server.plan = [says("", reason="content_filter")]
    for _ in range(2):
        (caption,) = captioner(server, tmp_path).annotate([clip])
        assert caption.refused
    assert len(server.requests) == 4
    (file,) = tmp_path.rglob("*.json")
    file.write_text(file.read_text()[:10])
    (caption,) = captioner(server, tmp_path).annotate([clip])
    assert not caption.refused and len(server.requests) == 5


def test_the_rate_limit_holds(server, tmp_path: Path) -> None:
    clips = [clip_of((10 * i, 0, 0)) for i in range(4)]
    captioner(server, retry_settings={"requests_per_minute": 600}).annotate(clips)
    times = sorted(server.times)
    assert min(b - a for a, b in zip(times, times[1:], strict=False)) > 0.07


def test_an_unset_or_unserved_model_is_one_line(server) -> None:
    with pytest.raises(UserError, match=r"caption.endpoint.model is not set"):
        EndpointCaptioner(EndpointConfig(server=ServerConfig(url=server.url))).load("cpu")
    with pytest.raises(UserError, match=r"caption.endpoint.server.url is not set"):
        EndpointCaptioner(EndpointConfig(model=MODEL)).load("cpu")
    server.models = {"data": [{"id": "another"}]}
    with pytest.raises(UserError, match=r"caption.endpoint.model: .* has no 'tiny-vl'; it has: another"):
        captioner(server)


def test_the_record_names_the_model_and_not_the_server(server) -> None:
    section = CaptionConfig(
        annotator="endpoint",
        endpoint=EndpointConfig(server=ServerConfig(url=server.url), model=MODEL, licence="Apache-2.0"),
    )
    record = build_annotator_record("caption", section)
    assert (record["name"], record["model"], record["licence"]) == ("caption.endpoint", MODEL, "Apache-2.0")
    elsewhere = section.model_copy(
        update={"endpoint": EndpointConfig(server=ServerConfig(url="http://h/v1"), model=MODEL, licence="Apache-2.0")}
    )
    assert get_annotator_settings("caption", section) == get_annotator_settings("caption", elsewhere)
    assert server.url not in json.dumps([record, get_annotator_settings("caption", section)])


def test_a_narrated_caption_is_a_caption(server, clip) -> None:
    server.plan = [lambda h, r: send(h, 503, b"")]
    (caption,) = captioner(server).annotate([clip])
    assert isinstance(caption, Caption)
