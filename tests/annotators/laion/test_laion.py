"""LAION's score with both libraries, on a tiny CLIP with known embeddings."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.laion.annotator import LaionAesthetic
from annotators.laion.config import LaionConfig
from humove.errors import UserError
from tests.annotators.laion import tiny_clip

pytestmark = pytest.mark.extra("quality")
WEIGHT = np.array([4.0, -2.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0])
BIAS = 5.0
RED, TEAL = (200, 30, 20), (10, 120, 130)


def make_plain_frame(rgb: tuple[int, int, int], height: int = 48, width: int = 48) -> np.ndarray:
    return np.full((height, width, 3), rgb, np.uint8)


def compute_score(rgb: tuple[int, int, int]) -> float:
    return float(tiny_clip.compute_embedding(rgb) @ WEIGHT) + BIAS


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    tiny_clip.save_transformers(folder / "transformers")
    tiny_clip.save_open_clip(folder / "open_clip")
    torch.save(tiny_clip.make_open_clip_state(), folder / "weights.pt")
    tiny_clip.save_mlp_head(folder / "mlp.pth", WEIGHT, BIAS)
    tiny_clip.save_linear_head(folder / "linear.pth", WEIGHT, BIAS)
    (folder / "tiny-quickgelu.json").write_text(json.dumps(tiny_clip.make_open_clip_settings()))
    open_clip.add_model_config(folder / "tiny-quickgelu.json")
    return folder


def load_laion(files: Path, clip: str, head: str = "mlp.pth", **settings) -> LaionAesthetic:
    config = LaionConfig.model_validate(
        {"clip": {"path": str(files / clip)}, "head": {"path": str(files / head)}, **settings}
    )
    annotator = LaionAesthetic(config)
    annotator.load("cpu")
    return annotator


@pytest.mark.parametrize("head", ["mlp.pth", "linear.pth"])
@pytest.mark.parametrize(
    ("clip", "settings"),
    [
        ("transformers", {"library": "transformers"}),
        ("open_clip", {"library": "open_clip"}),
        ("weights.pt", {"library": "open_clip", "network": "tiny-quickgelu"}),
    ],
)
def test_the_score_of_a_plain_frame_matches_the_formula(
    files: Path, clip: str, settings: dict, head: str, no_network
) -> None:
    annotator = load_laion(files, clip, head, **settings)
    red, teal, both = annotator.annotate(
        [
            [make_plain_frame(RED)],
            [make_plain_frame(TEAL)],
            [make_plain_frame(RED), make_plain_frame(TEAL), make_plain_frame(TEAL)],
        ]
    )
    assert abs(compute_score(RED) - compute_score(TEAL)) > 0.5  # else the test could not distinguish them
    assert red == pytest.approx(compute_score(RED), abs=2e-3)
    assert teal == pytest.approx(compute_score(TEAL), abs=2e-3)
    assert both == pytest.approx((compute_score(RED) + 2 * compute_score(TEAL)) / 3, abs=2e-3)


@pytest.mark.parametrize("library", ["transformers", "open_clip"])
def test_a_wide_frame_is_scored_by_its_centre(files: Path, library: str) -> None:
    wide = make_plain_frame(TEAL, 48, 192)
    wide[:, 60:132] = RED
    (found,) = load_laion(files, library, library=library).annotate([[wide]])
    assert found == pytest.approx(compute_score(RED), abs=2e-3)


def test_frames_of_several_sizes_work_with_any_batch_size(files: Path) -> None:
    clips = [[make_plain_frame(RED, 40, 60), make_plain_frame(TEAL, 64, 32)], [make_plain_frame(RED)]]
    for size in (1, 2, 64):
        mixed, red = load_laion(files, "transformers", batch_size=size).annotate(clips)
        assert mixed == pytest.approx((compute_score(RED) + compute_score(TEAL)) / 2, abs=2e-3)
        assert red == pytest.approx(compute_score(RED), abs=2e-3)


def test_a_head_of_another_clip_is_reported(files: Path, tmp_path: Path) -> None:
    tiny_clip.save_mlp_head(tmp_path / "wide.pth", np.ones(8), 0.0, width=8)
    state = torch.load(tmp_path / "wide.pth", weights_only=True)
    state["layers.0.weight"] = torch.zeros(12, 768)
    torch.save(state, tmp_path / "wide.pth")
    with pytest.raises(UserError, match=r"embeddings of dimension 768, but aesthetic.laion.clip gives 8: use the head"):
        load_laion(files, "transformers", str(tmp_path / "wide.pth"))


def test_a_head_with_activations_is_rejected(files: Path, tmp_path: Path) -> None:
    places = (0, 3, 6, 9, 11)  # where relu and dropout stand between the layers
    torch.save({f"layers.{p}.{k}": torch.zeros(1) for p in places for k in ("weight", "bias")}, tmp_path / "relu.pth")
    with pytest.raises(UserError, match="give one of LAION's heads without activations"):
        load_laion(files, "transformers", str(tmp_path / "relu.pth"))


class _Hostile:
    def __reduce__(self):
        return (print, ("ran",))


def test_other_files_are_reported_in_one_line(files: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    torch.save(_Hostile(), tmp_path / "hostile.pth")
    for name in ("text.pth", "hostile.pth"):
        with pytest.raises(UserError, match=r"aesthetic\.laion\.head: .* cannot be read as weights") as raised:
            load_laion(files, "transformers", str(tmp_path / name))
        assert "\n" not in str(raised.value)
    assert "ran" not in capsys.readouterr().out
    for settings, line in [
        ({"clip": ""}, "aesthetic.laion.clip.path is not set: name the folder"),
        ({"clip": "open_clip"}, "has no config.json; give the folder of a CLIP as transformers saves it"),
        ({"clip": "transformers", "library": "open_clip"}, "has no open_clip_config.json"),
        ({"clip": "weights.pt", "library": "open_clip", "network": "ViT-9"}, "open_clip has no network 'ViT-9'"),
        (
            {"clip": "weights.pt", "library": "open_clip", "network": "ViT-B-32"},
            "is no CLIP that open_clip as ViT-B-32",
        ),
        ({"clip": "transformers", "head": ""}, "aesthetic.laion.head.path is not set: name the file"),
        ({"clip": "gone"}, "no folder"),
    ]:
        clip, head = settings.pop("clip"), settings.pop("head", "mlp.pth")
        config = {
            "clip": {"path": str(files / clip) if clip else ""},
            "head": {"path": str(files / head) if head else ""},
        }
        with pytest.raises(UserError) as raised:
            LaionAesthetic(LaionConfig.model_validate({**config, **settings})).load("cpu")
        assert line in str(raised.value) and "\n" not in str(raised.value)


def test_missing_weights_of_a_clip_are_reported(files: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    tiny_clip.save_transformers(broken)
    state = load_file(broken / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="lacks the weights visual_projection.weight: the CLIP is incomplete"):
        load_laion(files, str(broken))


def test_a_file_with_another_sha256_is_reported(files: Path) -> None:
    head = {"path": str(files / "mlp.pth"), "sha256": "0" * 64}
    config = LaionConfig.model_validate({"clip": {"path": str(files / "transformers")}, "head": head})
    with pytest.raises(UserError, match="aesthetic.laion.head: .* has sha256 .*, wanted 000000000000"):
        LaionAesthetic(config).load("cpu")
