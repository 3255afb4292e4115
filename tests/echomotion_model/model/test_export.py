"""What training leaves: diffusers reads the video branch, and all of it comes back."""

import errno
import json
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file

from echomotion_model.model import export as exporting
from echomotion_model.model.export import export_model, load_export
from echomotion_model.motion.layout import FEATURES
from echomotion_model.motion.normalizer import Normalizer
from humove.errors import UserError
from tests.echomotion_model.model.small import GRID, SMALL, echo, inputs

NORMALIZER = Normalizer(mean_F=torch.arange(FEATURES).float(), std_F=torch.ones(FEATURES) * 2)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    out = tmp_path / "exported"
    export_model(SMALL, echo().state_dict(), NORMALIZER, out)
    return out


def test_diffusers_reads_the_video_branch(exported: Path) -> None:
    reference = WanTransformer3DModel.from_pretrained(exported, subfolder="transformer")
    given = inputs()
    with torch.no_grad():
        theirs = reference(given["video_BCFHW"], given["timestep_video_B"], given["text_BLD"]).sample
        ours, _ = echo()(**{**given, "motion_BTF": None})
    assert torch.equal(ours, theirs)


def test_round_trip(exported: Path) -> None:
    model, normalizer = load_export(exported)
    assert model.config == SMALL and torch.equal(normalizer.mean_F, NORMALIZER.mean_F)
    assert torch.equal(normalizer.std_F, NORMALIZER.std_F)
    given = inputs()
    with torch.no_grad():
        for a, b in zip(
            model(**given, task_B=torch.tensor([1, 2]), grid_HW=GRID), echo()(**given, task_B=torch.tensor([1, 2])),
            strict=True,
        ):  # fmt: skip
            assert torch.equal(a, b)


def test_bfloat16_stays_bfloat16_on_disk(tmp_path: Path) -> None:
    export_model(SMALL, echo().to(torch.bfloat16).state_dict(), NORMALIZER, tmp_path / "half")
    stored = load_file(tmp_path / "half" / "transformer" / "diffusion_pytorch_model.safetensors")
    assert stored["proj_out.weight"].dtype == torch.bfloat16
    assert stored["scale_shift_table"].dtype == torch.float32
    reference = WanTransformer3DModel.from_pretrained(
        tmp_path / "half", subfolder="transformer", torch_dtype=torch.bfloat16
    )
    assert {name: p.dtype for name, p in reference.named_parameters()} == {name: p.dtype for name, p in stored.items()}


def test_a_folder_that_holds_something_is_left_alone(exported: Path) -> None:
    before = sorted(exported.rglob("*"))
    with pytest.raises(UserError, match="already exists"):
        export_model(SMALL, echo(seed=5).state_dict(), NORMALIZER, exported)
    assert sorted(exported.rglob("*")) == before


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "save_file", full)
    with pytest.raises(UserError, match="No space left on device"):
        export_model(SMALL, echo().state_dict(), NORMALIZER, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_parts_of_different_models_are_refused(exported: Path, tmp_path: Path) -> None:
    config = json.loads((exported / "echomotion" / "config.json").read_text())
    for change, says in (
        ({"heads": 4, "head_dim": 12}, "num_attention_heads is 2"),
        ({"dual_every": 2}, "unexpected"),
        ({"motion_hidden": 8}, "of another shape"),
        ({"heads": 0}, "heads"),
        ({"frame_strid": 4}, "frame_strid"),
    ):
        (exported / "echomotion" / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(UserError, match=says) as caught:
            load_export(exported)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError):
        load_export(tmp_path / "nowhere")
