"""The device part of an annotator: rows of columns, and its place in the registry."""

import pickle

import numpy as np
import pytest

from annotators.network import (
    count_rows,
    get_layout,
    join_rows,
    load_network,
    make_ragged_column,
    make_text_column,
    read_texts,
    take_rows,
    to_tensor,
)
from annotators.registry import KINDS, create_network, get_section_name, list_annotators, load_annotator
from pipelines.config import load_config


def test_rows_are_taken_and_joined_over_all_columns() -> None:
    columns = (np.arange(12).reshape(4, 3), make_ragged_column([np.zeros(n) for n in range(4)]))
    first, rest = take_rows(columns, 0, 1), take_rows(columns, 1, 4)
    again = join_rows([first, rest])
    assert np.array_equal(again[0], columns[0]) and [len(row) for row in again[1]] == [0, 1, 2, 3]
    assert (count_rows(first), count_rows(rest)) == (1, 3)
    assert get_layout(first) == get_layout(rest) != get_layout((columns[0].astype(np.float32), columns[1]))
    with pytest.raises(ValueError, match=r"columns of \[3, 4\] rows"):
        count_rows((columns[0], columns[1][:3]))


def test_rows_of_one_shape_stay_ragged() -> None:
    column = make_ragged_column([np.zeros((2, 2)), np.zeros((2, 2))])
    assert column.shape == (2,) and column.dtype == object


def test_texts_round_trip() -> None:
    assert read_texts(make_text_column(["", "a person", "“naïve” 人"])) == ["", "a person", "“naïve” 人"]


def test_only_read_only_arrays_are_copied() -> None:
    ours = np.zeros(3, np.float32)
    to_tensor(ours)[0] = 1
    assert ours[0] == 1
    ours.flags.writeable = False
    to_tensor(ours)[1] = 1
    assert ours[1] == 0


def test_a_remote_network_is_not_loaded() -> None:
    class Refusing:
        def load(self, device: str) -> None:
            raise AssertionError("it must not be loaded")

    given = Refusing()
    assert load_network(Refusing(), "cuda", given) is given
    with pytest.raises(AssertionError):
        load_network(Refusing(), "cuda", None)


def sections(kind: str):
    config = load_config("local", [])
    section = getattr(config, get_section_name(kind))
    for name in list_annotators(kind):
        yield name, section.model_copy(update={"annotator": name})


def test_annotators_for_gpus_have_a_picklable_network() -> None:
    found = set()
    for kind in KINDS:
        for name, section in sections(kind):
            network = create_network(kind, section)
            if network is not None:
                sent = pickle.loads(pickle.dumps(network))
                assert type(sent) is type(network) and sent.batch_size >= 1
                found.add(f"{kind}.{name}")
    assert found >= {
        "tracks.ultralytics", "pose2d.mmpose", "pose2d.rtmlib", "motion.nlf", "aesthetic.laion", "category.clip",
        "caption.vlm",
    }  # fmt: skip
    assert not found & {"tracks.blazepose", "pose2d.blazepose", "caption.endpoint", "caption.kinematics"}


@pytest.mark.extra("rtmlib")
def test_an_annotator_with_another_network_needs_no_weights() -> None:
    class Client:
        batch_size = 4

        def constants(self) -> dict[str, np.ndarray]:
            return {"size": np.array([192, 256]), "keypoints": np.array(17)}

    client = Client()
    section = dict(sections("pose2d"))["rtmlib"]  # no weights are set
    assert load_annotator("pose2d", section, network=client).network is client
