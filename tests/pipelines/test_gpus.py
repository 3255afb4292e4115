"""Annotators with a share of a GPU: which networks are served, builds that call them, and what is said without one.

The GPU is one that is only counted; the networks run on the CPU, in processes of their own.
"""

from functools import partial
from pathlib import Path

import pytest
import torch

from annotators.nlf.network import NlfNetwork
from annotators.transnetv2.windows import WindowNetwork
from annotators.ultralytics.network import YoloNetwork
from humove.errors import UserError
from humove.video.encode import EncodeConfig, encode_clip
from humove.video.frames import ArrayFrames
from pipelines.engine.models import local_servers as model_servers
from pipelines.engine.models.local_servers import find_served_networks, make_model_servers
from pipelines.jobs import build as build_job
from pipelines.jobs.build import build
from shards.reader import open_dataset
from tests.annotators.mmpose.squares import make_square_finder, write_checkpoint
from tests.annotators.nlf.stand_in import write_nlf
from tests.annotators.ultralytics.tiny import save_fixed
from tests.builds import CountingReporter, load_test_config, run_build
from tests.pipelines.test_annotators_together import FPS, HEIGHT, REACH, WIDTH, make_frames

pytestmark = pytest.mark.extra("yolo", "mmpose", "nlf")
RIGHTS = "allow=[permissive, agpl, non-commercial]"
GPUS = "execution.gpus={track: 0.25, pose2d: 0.25, motion: 0.5}"


def test_the_networks_of_the_annotators_in_use_are_served() -> None:
    shares = "execution.gpus={track: 0.3, motion: 0.3, pose2d: 0.2, split: 0.1, caption: 0.1}"
    chosen = [
        "track.annotator=ultralytics",
        "motion.annotator=nlf",
        "split.detector=transnetv2",
        shares.replace("0.5", "0.3"),
    ]
    served = {each.kind: each for each in find_served_networks(load_test_config(*chosen))}
    # blazepose and the captions of the presets run on the CPU alone
    assert {kind: type(each.network) for kind, each in served.items()} == {
        "tracks": YoloNetwork, "motion": NlfNetwork, "cuts": WindowNetwork,
    }  # fmt: skip
    assert (served["tracks"].share, served["cuts"].share) == (0.3, 0.1)


def test_an_annotator_without_a_network_is_a_one_line_error(monkeypatch) -> None:
    monkeypatch.setattr(model_servers, "create_network", lambda kind, section: None)
    with pytest.raises(UserError, match=r"execution.gpus: track.annotator 'ultralytics' has no network for a GPU"):
        find_served_networks(load_test_config("track.annotator=ultralytics", "execution.gpus={track: 0.5}"))


@pytest.fixture(scope="module")
def videos_and_settings(tmp_path_factory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("gpus")
    (folder / "videos").mkdir()
    for seed in (1, 2, 3):
        target = folder / "videos" / f"person {seed}.mp4"
        encode_clip(
            ArrayFrames(make_frames(seed), FPS), (0, 0, WIDTH, HEIGHT), WIDTH, HEIGHT, target, EncodeConfig(crf=12)
        )
    files = {
        "track.ultralytics": save_fixed(folder / "yolo.pt", reach=REACH),
        "pose2d.mmpose": write_checkpoint(folder / "rtmpose.pth", make_square_finder("rtmpose-t-body-256x192")),
        "motion.nlf": write_nlf(folder / "nlf.torchscript"),
    }
    choices = [f"{section}.annotator={name}" for section, name in (key.split(".") for key in files)]
    weights = [f"{key}.weights.path={path}" for key, path in files.items()]
    return folder / "videos", [*choices, *weights, RIGHTS, "track.ultralytics.image_size=64", "dedup.near=off",
                               "pose2d.mmpose.model=rtmpose-t-body-256x192", "score_only=true"]  # fmt: skip


@pytest.fixture(scope="module")
def without(videos_and_settings, tmp_path_factory) -> Path:
    """The set, built with every model in its worker."""
    videos, settings = videos_and_settings
    out = tmp_path_factory.mktemp("without") / "set"
    run_build(videos, out, *settings)
    return out


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_a_build_that_calls_its_networks_gives_the_same_set(
    executor: str, videos_and_settings, without: Path, tmp_path: Path, monkeypatch
) -> None:
    videos, settings = videos_and_settings
    if executor == "ray":
        _let_ray_count_a_gpu(monkeypatch)
    monkeypatch.setattr(build_job, "make_model_servers", partial(make_model_servers, device="cpu", num_gpus=1))
    # Where a step loaded its model itself it would ask for a GPU that is not there.
    run_build(videos, tmp_path / "set", *settings, GPUS, f"execution.executor={executor}")
    before, after = open_dataset(str(without)), open_dataset(str(tmp_path / "set"))
    assert len(after) == 3
    assert [shard.sha256 for shard in after.doc.shards] == [shard.sha256 for shard in before.doc.shards]
    assert after.doc.config_hash == before.doc.config_hash


def _let_ray_count_a_gpu(monkeypatch) -> None:
    import ray

    start = ray.init
    monkeypatch.setattr(ray, "init", lambda **how: start(**{**how, "num_gpus": 1}))


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_a_missing_gpu_is_a_one_line_error(executor: str, videos_and_settings, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    videos, settings = videos_and_settings
    where = {"local": "this machine", "ray": "the Ray cluster"}[executor]
    with pytest.raises(UserError, match=f"{where} has none that torch can use.*SET execution.gpus={{}}") as caught:
        build(
            load_test_config(*settings, GPUS, f"execution.executor={executor}"),
            str(videos),
            tmp_path / "out",
            CountingReporter(),
        )
    assert "\n" not in str(caught.value)
