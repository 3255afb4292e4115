"""A local model with transformers' loading and generation: its captions depend on the frames."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from annotators.captions.config import CaptionConfig
from annotators.captions.models.answer import AnswerError
from annotators.network import join_rows
from annotators.registry import build_annotator_record, load_annotator
from annotators.vlm.annotator import VlmCaptioner
from annotators.vlm.config import VlmConfig
from annotators.vlm.model import LocalVlm, Question
from annotators.vlm.network import VlmNetwork, pack_questions, read_answers
from annotators.weights.user_files import UserWeights, hash_path
from humove.errors import UserError
from tests.annotators.endpoint.conftest import clip_of

from .tiny import BEGIN, END, tiny_llava, tiny_qwen

pytestmark = [pytest.mark.usefixtures("no_network"), pytest.mark.extra("vlm")]


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> Path:
    return tiny_llava(tmp_path_factory.mktemp("models") / "tiny-llava")


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> Path:
    return tiny_qwen(tmp_path_factory.mktemp("models") / "tiny-qwen")


def section(folder: Path, **settings: object) -> CaptionConfig:
    settings = {"frames": 2, "max_side": 64, "max_tokens": 32, **settings}
    return CaptionConfig(annotator="vlm", vlm=VlmConfig(weights=UserWeights(path=str(folder)), **settings))


def test_captions_depend_on_the_frames(llava: Path) -> None:
    clips = [clip_of(colour) for colour in ((200, 0, 0), (0, 0, 200), (220, 40, 30))]
    captions = load_annotator("caption", section(llava, batch_size=2)).annotate(clips)
    assert [c.appearance for c in captions] == [f"a person in {c} clothes" for c in ("red", "blue", "red")]
    assert {(c.full, c.source, c.refused) for c in captions} == {
        ("A person stands before a wall.", "vlm:tiny-llava", False)
    }


def test_a_batch_gives_the_same_answers_as_single_questions(qwen: Path) -> None:
    model = LocalVlm(qwen, "caption.vlm.weights", device="cpu", half=False)
    red, blue = (np.full((48, 64, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    asked = [
        Question(frames=[red] * 3, prompt="a longer question " * 5),
        Question(frames=[blue], prompt="short"),
        Question(frames=[red], prompt="short"),
    ]
    alone = [model.answer([question], 24)[0] for question in asked]
    assert model.answer(asked, 24) == alone
    assert alone[1] != alone[2]  # the frame matters
    drawn = [model.answer(asked[1:2], 24, seed=seed)[0].text for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_questions_of_any_form_share_a_batch(qwen: Path) -> None:
    """As a model server batches them: other sizes, other prompts, a second try among first ones."""
    network = VlmNetwork(VlmConfig(weights=UserWeights(path=str(qwen)), max_tokens=32))
    network.load("cpu")
    red, blue = (np.full(shape, colour, np.uint8) for shape, colour in (((48, 64, 3), (200, 0, 0)),
                                                                       ((32, 96, 3), (0, 0, 200))))  # fmt: skip
    asked = [
        pack_questions([Question(frames=[red] * 3, prompt="a longer question")]),
        pack_questions([Question(frames=[blue], prompt="short")], seed=1),
        pack_questions([Question(frames=[blue], prompt="short")]),
    ]
    alone = [read_answers(network.run(each))[0] for each in asked]
    assert read_answers(network.run(join_rows(asked))) == alone
    assert alone[1] != alone[2]


def test_the_prompt_and_all_frames_reach_the_model(llava: Path, monkeypatch) -> None:
    captioner = load_annotator("caption", section(llava, frames=3, facts=True, category=True))
    seen = {}
    generate = captioner.network.vlm.model.generate

    def spy(**inputs):
        seen.update(inputs)
        return generate(**inputs)

    monkeypatch.setattr(captioner.network.vlm.model, "generate", spy)
    captioner.annotate([clip_of((200, 0, 0))])
    assert seen["pixel_values"].shape == (3, 3, 16, 16)
    image = captioner.network.vlm.processor.tokenizer.convert_tokens_to_ids("<image>")
    assert int((seen["input_ids"] == image).sum()) == 3 * 4  # four patches a frame


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ({"ASSISTANT:": ("nothing",), "nothing": ("</s>",)}, "holds no JSON object: 'nothing'"),
        (
            {"ASSISTANT:": (BEGIN,), BEGIN: (END,), END: (BEGIN,)},
            "the answer was cut off; raise caption.vlm.max_tokens",
        ),
    ],
    ids=["no JSON", "endless"],
)
def test_a_model_without_a_valid_caption_is_a_fault(tmp_path: Path, after: dict, why: str) -> None:
    captioner = load_annotator("caption", section(tiny_llava(tmp_path / "m", after), tries=2))
    with pytest.raises(AnswerError, match=why):
        captioner.annotate([clip_of((200, 0, 0))])


def test_a_refusal_gives_the_measured_caption(tmp_path: Path) -> None:
    no = "I'm sorry, I can't describe people."
    folder = tiny_llava(tmp_path / "m", {"ASSISTANT:": (no,), no: ("</s>",)})
    (caption,) = load_annotator("caption", section(folder)).annotate([clip_of((200, 0, 0))])
    assert (caption.refused, caption.source) == (True, "kinematics")


def test_the_record_names_the_content_of_the_folder(llava: Path) -> None:
    record = build_annotator_record("caption", section(llava, licence="Apache-2.0"))
    weights = {"name": "caption.vlm.weights", "sha256": hash_path(llava), "licence": "Apache-2.0"}
    assert (record["name"], record["weights"]) == ("caption.vlm", [weights])


def broken(llava: Path, folder: Path, what: str) -> Path:
    shutil.copytree(llava, folder)
    config = json.loads((folder / "config.json").read_text())
    if what == "no model":
        (folder / "config.json").unlink()
    elif what == "another kind":
        (folder / "config.json").write_text(json.dumps(config["text_config"] | {"architectures": ["LlamaForCausalLM"]}))
    elif what == "pickled":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    elif what == "no template":
        for file in folder.glob("chat_template*"):
            file.unlink()
    elif what == "a layer short":
        config["text_config"]["num_hidden_layers"] = 2
        (folder / "config.json").write_text(json.dumps(config))
    elif what == "cut":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("no model", "is no vision-language model for transformers"),
        ("another kind", "is no vision-language model for transformers"),
        ("pickled", "holds no .safetensors; write them with save_pretrained"),
        ("no template", "has no chat template for images; name an instruct model"),
        ("a layer short", "tensors are missing, as "),
        ("cut", "is no vision-language model for transformers"),
    ],
)
def test_a_wrong_folder_is_one_line(llava: Path, tmp_path: Path, what: str, why: str) -> None:
    folder = broken(llava, tmp_path / "m", what)
    with pytest.raises(UserError) as raised:
        load_annotator("caption", section(folder))
    assert why in str(raised.value) and str(raised.value).startswith("caption.vlm.weights.path: ")
    assert "\n" not in str(raised.value)


def test_a_missing_or_changed_folder_is_one_line(llava: Path, tmp_path: Path) -> None:
    for weights, why in (
        (UserWeights(), "caption.vlm.weights.path is not set"),
        (UserWeights(path=str(tmp_path / "none")), "no folder"),
        (UserWeights(path=str(llava), sha256="0" * 64), "it is another file"),
    ):
        with pytest.raises(UserError, match=why):
            VlmCaptioner(VlmConfig(weights=weights)).load("cpu")
