"""Zero-shot classification with transformers' CLIP; the weights map colours to sports."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from annotators.categories.clip import ClipZeroShot
from annotators.categories.config import CategoryConfig, ClipZeroShotConfig
from annotators.registry import load_annotator
from annotators.weights.user_files import UserWeights
from humove.errors import UserError

from .tiny import tiny_clip

pytestmark = [pytest.mark.usefixtures("no_network"), pytest.mark.extra("vlm")]
RED, BLUE, GREY = (np.full((40, 60, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200), (90, 90, 90)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("models") / "clip", positive="bicycle", negative="horse")


def classifier(folder: Path, **settings: object) -> ClipZeroShot:
    section = CategoryConfig(clip=ClipZeroShotConfig(weights=UserWeights(path=str(folder)), **settings))
    return load_annotator("category", section)


def test_the_sentence_nearest_to_the_frames_wins(folder: Path) -> None:
    red, blue, mixed, grey = classifier(folder).annotate([[RED] * 3, [BLUE], [RED, RED, BLUE], [GREY]])
    assert (red.best[0], blue.best[0], mixed.best[0]) == ("Cycling", "Equestrian", "Cycling")
    assert red.best[1] > 0.95 and blue.best[1] == pytest.approx(red.best[1], abs=1e-5)
    assert mixed.best[1] < red.best[1]
    assert grey.best[1] < 0.05  # no sentence matches it: all others are alike
    assert all(len(each.probabilities) == 38 and abs(each.probabilities.sum() - 1) < 1e-5 for each in (red, grey))


def test_results_do_not_depend_on_batches(folder: Path) -> None:
    pictures = [RED, BLUE, GREY, RED, RED]
    (whole,), (ones,) = (classifier(folder, batch_size=size).annotate([pictures]) for size in (32, 1))
    assert np.allclose(whole.probabilities, ones.probabilities, atol=1e-6)


def test_the_phrase_is_put_into_the_template(folder: Path) -> None:
    (probabilities,) = classifier(folder, template="no {}").annotate([[RED]])
    assert probabilities.best[0] == "Cycling"
    with pytest.raises(ValueError, match="template"):
        ClipZeroShotConfig(template="no place")


def test_a_wrong_folder_is_one_line(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text('{"model_type": "clip", "projection_dim": 64}')
    for weights, why in (
        (UserWeights(), "category.clip.weights.path is not set"),
        (UserWeights(path=str(tmp_path)), "holds no .safetensors"),
        (UserWeights(path=str(tmp_path / "other")), "CLIP"),
    ):
        with pytest.raises(UserError, match=why) as raised:
            ClipZeroShot(ClipZeroShotConfig(weights=weights)).load("cpu")
        assert "\n" not in str(raised.value)
