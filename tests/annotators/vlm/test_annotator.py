"""A local model through transformers' own loading and generation: what it says follows from the pictures."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from annotators.captions.answer import AnswerError
from annotators.captions.config import CaptionConfig
from annotators.network import join_rows
from annotators.registry import annotator_record, load_annotator
from annotators.user_weights import UserWeights, sha256_of
from annotators.vlm.annotator import VlmCaptioner
from annotators.vlm.config import VlmConfig
from annotators.vlm.model import LocalVlm, Question
from annotators.vlm.network import VlmNetwork, read_answers, to_columns
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


def test_captions_follow_from_the_pictures(llava: Path) -> None:
    clips = [clip_of(colour) for colour in ((200, 0, 0), (0, 0, 200), (220, 40, 30))]
    captions = load_annotator("caption", section(llava, batch_size=2)).annotate(clips)
    assert [c.appearance for c in captions] == [f"a person in {c} clothes" for c in ("red", "blue", "red")]
    assert {(c.full, c.source, c.refused) for c in captions} == {
        ("A person stands before a wall.", "vlm:tiny-llava", False)
    }


def test_a_batch_says_what_each_says_alone(qwen: Path) -> None:
    model = LocalVlm(qwen, "caption.vlm.weights", device="cpu", half=False)
    red, blue = (np.full((48, 64, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    asked = [
        Question(pictures=[red] * 3, prompt="a longer question " * 5),
        Question(pictures=[blue], prompt="short"),
        Question(pictures=[red], prompt="short"),
    ]
    alone = [model.say([question], 24)[0] for question in asked]
    assert model.say(asked, 24) == alone
    assert alone[1] != alone[2]  # the picture matters
    drawn = [model.say(asked[1:2], 24, warm=seed)[0].text for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_questions_of_any_form_share_a_batch(qwen: Path) -> None:
    """As a server of several clips gathers them: other sizes, other prompts, a second try among first ones."""
    network = VlmNetwork(VlmConfig(weights=UserWeights(path=str(qwen)), max_tokens=32))
    network.load("cpu")
    red, blue = (np.full(shape, colour, np.uint8) for shape, colour in (((48, 64, 3), (200, 0, 0)),
                                                                       ((32, 96, 3), (0, 0, 200))))  # fmt: skip
    asked = [
        to_columns([Question(pictures=[red] * 3, prompt="a longer question")]),
        to_columns([Question(pictures=[blue], prompt="short")], seed=1),
        to_columns([Question(pictures=[blue], prompt="short")]),
    ]
    alone = [read_answers(network.run(each))[0] for each in asked]
    assert read_answers(network.run(join_rows(asked))) == alone
    assert alone[1] != alone[2]


def test_the_prompt_and_all_pictures_reach_the_model(llava: Path, monkeypatch) -> None:
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
    assert int((seen["input_ids"] == image).sum()) == 3 * 4  # four patches a picture


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ({"ASSISTANT:": ("nothing",), "nothing": ("</s>",)}, "holds no JSON object: 'nothing'"),
        ({"ASSISTANT:": (BEGIN,), BEGIN: (END,), END: (BEGIN,)}, "it was cut off; raise caption.vlm.max_tokens"),
    ],
    ids=["no JSON", "endless"],
)
def test_a_model_that_gives_no_caption_is_a_fault(tmp_path: Path, after: dict, why: str) -> None:
    captioner = load_annotator("caption", section(tiny_llava(tmp_path / "m", after), tries=2))
    with pytest.raises(AnswerError, match=why):
        captioner.annotate([clip_of((200, 0, 0))])


def test_a_refusal_leaves_the_measured_caption(tmp_path: Path) -> None:
    no = "I'm sorry, I can't describe people."
    folder = tiny_llava(tmp_path / "m", {"ASSISTANT:": (no,), no: ("</s>",)})
    (caption,) = load_annotator("caption", section(folder)).annotate([clip_of((200, 0, 0))])
    assert (caption.refused, caption.source) == (True, "kinematics")


def test_the_record_names_the_content_of_the_folder(llava: Path) -> None:
    record = annotator_record("caption", section(llava, licence="Apache-2.0"))
    weights = {"name": "caption.vlm.weights", "sha256": sha256_of(llava), "licence": "Apache-2.0"}
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
        ("no template", "has no chat template for pictures; name an instruct model"),
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


def test_a_missing_or_another_folder_is_one_line(llava: Path, tmp_path: Path) -> None:
    for weights, why in (
        (UserWeights(), "caption.vlm.weights.path is not set"),
        (UserWeights(path=str(tmp_path / "none")), "no folder"),
        (UserWeights(path=str(llava), sha256="0" * 64), "it is another file"),
    ):
        with pytest.raises(UserError, match=why):
            VlmCaptioner(VlmConfig(weights=weights)).load("cpu")
