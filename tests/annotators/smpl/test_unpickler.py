"""The official pickle is read, and a hostile one runs nothing."""

import io
import os
import pickle
import pickletools
import resource
from collections import OrderedDict

import numpy as np
import pytest
from scipy import sparse

from annotators.smpl.model_file import convert_to_npz, read_arrays, read_smpl
from annotators.smpl.unpickler import read_pickle
from humove.errors import UserError
from tests.annotators.smpl.official import VERTICES


def test_a_file_made_like_the_official_one_gives_its_arrays(smpl_pickle, smpl_arrays) -> None:
    names = {arg for op, arg, _ in pickletools.genops(smpl_pickle.read_bytes()) if op.name == "GLOBAL"}
    assert {
        "chumpy.ch Ch", "chumpy.reordering Select", "chumpy.reordering transpose", "scipy.sparse.csc csc_matrix",
        "numpy.core.multiarray _reconstruct",
    } <= names  # fmt: skip
    read = read_pickle(smpl_pickle)
    for name, array in smpl_arrays.items():
        assert (read[name] == array).all() and read[name].dtype == array.dtype, name
    assert (read["J_regressor_prior"] == smpl_arrays["J_regressor"]).all()
    assert str(read["bs_style"]) == "lbs"
    assert "J" not in read and "pose_training_info" not in read


def test_pickles_of_newer_pythons_are_read(tmp_path, smpl_arrays) -> None:
    values = {
        "plain": np.arange(6, dtype=np.int32).reshape(2, 3), "csr": sparse.csr_matrix([[0, 2.0], [3, 0]]),
        "coo": sparse.coo_matrix([[0, 2.0], [3, 0]]), "big_endian": np.array([1, 2], dtype=">i4"),
        "scalar": np.float32(2.5), "number": 3, "ordered": OrderedDict(a=1), "objects": np.array([None, {}]),
    }  # fmt: skip
    for protocol in (0, 2, 4, 5):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(values, protocol=protocol))
        read = read_pickle(path)
        assert (read["plain"] == values["plain"]).all()
        assert (read["csr"] == [[0, 2], [3, 0]]).all() and (read["coo"] == [[0, 2], [3, 0]]).all()
        assert read["big_endian"].tolist() == [1, 2]
        assert read["scalar"] == 2.5 and read["number"] == 3
        assert "ordered" not in read and "objects" not in read


class _Calls:
    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


HOSTILE = {
    "os.system": lambda mark: pickle.dumps({"v_template": _Calls(os.system, f"touch {mark}")}, 2),
    "builtins.eval": lambda mark: pickle.dumps({"f": _Calls(eval, f"open({str(mark)!r}, 'w')")}, 2),
    "numpy's own loader": lambda mark: pickle.dumps(_Calls(np.load, str(mark)), 4),
    "getattr of a dotted name": lambda mark: b"\x80\x04\x8c\x05numpy\x8c\x0bf2py.os.popC\x93.",
    "a state on a class": lambda mark: b"cnumpy\nndarray\n(N}X\x01\x00\x00\x00aK\x01stb.",
    "an extension code": lambda mark: b"\x80\x02\x82\x01.",
    "a persistent name": lambda mark: b"Pos.system\n.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_in_one_line_and_runs_nothing(name: str, tmp_path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(HOSTILE[name](mark))
    with pytest.raises(UserError, match="not read as an SMPL pickle") as message:
        read_pickle(path)
    assert not mark.exists() and "\n" not in str(message.value)
    if "." in name and " " not in name:
        module = {"os.system": "posix.system", "builtins.eval": "__builtin__.eval"}[name]
        assert f"it refers to {module}" in str(message.value)


def test_the_same_pickle_runs_code_in_pickle_load(tmp_path) -> None:
    mark = tmp_path / "ran"
    pickle.load(io.BytesIO(HOSTILE["os.system"](mark)))
    assert mark.exists()


def test_a_huge_number_for_an_object_takes_no_memory(tmp_path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\xff.")  # an empty dictionary, kept under the number 2**32 - 1
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_pickle(path) == {}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 18  # KiB


class _Forged:
    """An array whose state lies about itself."""

    def __init__(self, shape, code, content) -> None:
        self.state = (1, shape, np.dtype(code), False, content)

    def __reduce__(self):
        return np.zeros(1).__reduce__()[0], (np.ndarray, (0,), b"b"), self.state


@pytest.mark.parametrize(
    ("shape", "content", "message"),
    [((10**9, 10**9), b"\0" * 8, "reshape"), ((-1, 2), b"\0" * 16, "shape"), ((2,), b"\0" * 7, "buffer")],
)
def test_an_array_of_a_wrong_size_is_refused(shape, content, message, tmp_path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"v_template": _Forged(shape, "f8", content)}, 2))
    with pytest.raises(UserError, match=message):
        read_pickle(path)


def test_sparse_entries_outside_the_matrix_are_refused(tmp_path) -> None:
    for indices in ([5], [-1]):
        matrix = sparse.csc_matrix(np.eye(1, 2))
        matrix.indices = np.array(indices, dtype=np.int32)
        path = tmp_path / "x.pkl"
        path.write_bytes(pickle.dumps({"J_regressor": matrix}, 2))
        with pytest.raises(UserError, match="not read as an SMPL pickle"):
            read_pickle(path)


def test_convert_writes_an_npz_that_needs_no_pickle(smpl_pickle, smpl_arrays, tmp_path) -> None:
    target = tmp_path / "SMPL_NEUTRAL.npz"
    names = convert_to_npz(smpl_pickle, target)
    with np.load(target, allow_pickle=False) as box:
        assert set(box.files) == set(names) >= set(smpl_arrays)
        assert (box["shapedirs"] == smpl_arrays["shapedirs"]).all()
    assert (read_smpl(target).J_regressor == read_smpl(smpl_pickle).J_regressor).all()
    with pytest.raises(UserError, match="as .npz"):
        convert_to_npz(smpl_pickle, tmp_path / "x.pkl")


def test_errors_name_the_kind_of_other_files(tmp_path, smpl_arrays, smpl_pickle) -> None:
    text = tmp_path / "notes.pkl"
    text.write_text("no pickle")
    with pytest.raises(UserError, match="not read as an SMPL pickle"):
        read_arrays(text)
    with pytest.raises(UserError, match="no such file"):
        read_arrays(tmp_path / "missing.pkl")
    cut = tmp_path / "cut.pkl"
    cut.write_bytes(smpl_pickle.read_bytes()[:100000])
    with pytest.raises(UserError, match="download it again"):
        read_arrays(cut)
    few = tmp_path / "few.npz"
    np.savez(few, v_template=smpl_arrays["v_template"])
    with pytest.raises(UserError, match="no readable shapedirs, posedirs"):
        read_arrays(few)
    pickled = tmp_path / "objects.npz"
    np.savez(pickled, **(smpl_arrays | {"f": np.array([None])}))
    with pytest.raises(UserError, match="no SMPL body in it"):
        read_arrays(pickled)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"J_regressor": np.zeros((55, 10475))}, "55 joints: it is SMPL-X"),
        ({"J_regressor": np.zeros((52, VERTICES))}, r"52 joints: it is SMPL\+H"),
        ({"shapedirs": np.zeros((VERTICES, 3, 4))}, r"shapedirs \(6890, 3, 4\)"),
        ({"v_template": np.zeros((10, 3))}, r"v_template \(10, 3\) for \(6890, 3\)"),
        ({"kintree_table": np.zeros((2, 24), np.uint32)}, "other parents than"),
    ],
)
def test_another_body_is_refused_with_the_reason(change, message, tmp_path, smpl_arrays) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **(smpl_arrays | {"posedirs": np.zeros((VERTICES, 3, 207), np.int8)} | change))
    with pytest.raises(UserError, match=message):
        read_smpl(path)
