"""Networks in processes of their own: one copy for each share of a GPU, batches over clips, dead and failing copies.

The device is the CPU; the GPUs are only counted.
"""

import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from annotators.network import make_ragged_column
from humove.errors import UserError
from pipelines.engine.models.clients import ModelFault, ModelLost
from pipelines.engine.models.local_servers import LocalModelServers, ServedNetwork, place_copies
from tests.pipelines.engine.networks import Doubler, Reverser, Unloadable, make_frames, read_notes


def start_locally(network, *, gpus: int = 1, share: float = 1.0, messages: list | None = None, kind: str = "motion"):
    served = [ServedNetwork(kind=kind, network=network, share=share)]
    notify = (lambda line: None) if messages is None else messages.append
    return LocalModelServers(served, [str(i) for i in range(gpus)], notify, device="cpu")


def start_on_ray(network, *, gpus: int = 1, share: float = 1.0, messages: list | None = None, kind: str = "motion"):
    from pipelines.engine.models.ray_servers import RayModelServers

    served = [ServedNetwork(kind=kind, network=network, share=share)]
    notify = (lambda line: None) if messages is None else messages.append
    return RayModelServers(served, notify, device="cpu", num_gpus=gpus)


@pytest.fixture(scope="module")
def ray():
    """A Ray with two GPUs that do not exist."""
    import ray

    root = Path(__file__).resolve().parents[4]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(root)}},
    )  # fmt: skip
    yield ray
    ray.shutdown()


@pytest.fixture(params=["local", "ray"])
def servers(request):
    """A function that starts servers, on this machine or on Ray; they are closed at the end."""
    make = start_locally
    if request.param == "ray":
        request.getfixturevalue("ray")
        make = start_on_ray
    with ExitStack() as stack:
        yield lambda *args, **how: stack.enter_context(make(*args, **how))


def call_from_threads(client, batches: list, threads: int = 8) -> list:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda batch: client.run(batch), batches))


def wait_for(condition, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition did not become true"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("shares", "gpus", "placed"),
    [
        ({"a": 0.5}, 2, [["a", "a"], ["a", "a"]]),
        ({"a": 0.3}, 1, [["a", "a", "a"]]),
        ({"a": 0.5, "b": 0.5}, 2, [["a", "b"], ["a", "b"]]),
        ({"a": 0.25, "b": 0.5}, 1, [["a", "b", "a"]]),
        ({"a": 0.7, "b": 0.7}, 2, [["a"], ["b"]]),
        ({}, 0, []),
    ],
)
def test_gpus_are_filled_with_copies(shares: dict, gpus: int, placed: list) -> None:
    assert place_copies(shares, gpus) == placed


def test_a_network_without_room_is_one_line() -> None:
    with pytest.raises(UserError, match=r"execution.gpus: 1 GPU\(s\) have no room for b beside the others"):
        place_copies({"a": 0.7, "b": 0.7}, 1)


def test_one_copy_for_each_share(servers, tmp_path: Path) -> None:
    running = servers(Doubler(tmp_path, seconds=0.2), gpus=2, share=0.5)
    client = pickle.loads(pickle.dumps(running.make_clients()["motion"]))  # as a worker gets it
    wait_for(lambda: len(read_notes(tmp_path, "loads")) == 4)
    loads = read_notes(tmp_path, "loads")
    assert len({load["pid"] for load in loads}) == 4 and os.getpid() not in {load["pid"] for load in loads}
    assert sorted(load["gpu"] for load in loads) == ["0", "0", "1", "1"]
    time.sleep(0.5)
    call_from_threads(client, [make_frames(i, *range(7)) for i in range(24)])
    assert len(read_notes(tmp_path, "loads")) == 4  # once in each
    assert len({note["pid"] for note in read_notes(tmp_path, "batches")}) == 4  # and all of them work


def test_batches_hold_the_frames_of_several_clips(servers, tmp_path: Path) -> None:
    client = servers(Doubler(tmp_path, batch_size=8, seconds=0.1)).make_clients()["motion"]
    batches = [make_frames(3 * i, 3 * i + 1, 3 * i + 2) for i in range(16)]
    results = call_from_threads(client, batches, threads=16)
    for (given,), (got,) in zip(batches, results, strict=True):
        np.testing.assert_array_equal(got, given * 2)
    sizes = [len(note["rows"]) for note in read_notes(tmp_path, "batches")]
    assert sum(sizes) == 48 and max(sizes) == 8
    assert len(sizes) <= 10, sizes  # 6 full ones and a few that did not wait; clip by clip it would be 16


def test_constants_and_ragged_columns_arrive(servers, tmp_path: Path) -> None:
    constants = servers(Doubler(tmp_path)).make_clients()["motion"].constants()
    assert (float(constants["factor"]), str(constants["name"])) == (2.0, "doubler")
    given = [np.arange(n) for n in (3, 0, 5, 300_000, 1)]
    rows, lengths = servers(Reverser(), kind="caption").make_clients()["caption"].run((make_ragged_column(given),))
    assert lengths.tolist() == [len(row) for row in given]
    assert all(np.array_equal(row, one[::-1]) for row, one in zip(rows, given, strict=True))


def test_an_exception_comes_back_to_its_caller(servers, tmp_path: Path) -> None:
    client = servers(Doubler(tmp_path)).make_clients()["motion"]
    with pytest.raises(ModelFault, match=r"ValueError: a row of -1(.|\n)*networks\.py"):
        client.run(make_frames(1, -1))
    assert client.run(make_frames(4))[0][0, 0, 0] == 8


def test_a_killed_copy_is_replaced_and_its_calls_are_repeated(servers, tmp_path: Path) -> None:
    client = servers(Doubler(tmp_path, seconds=0.1)).make_clients()["motion"]
    client.run(make_frames(0))
    (first,) = {note["pid"] for note in read_notes(tmp_path, "loads")}
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(client.run, make_frames(*range(8 * i, 8 * i + 8))) for i in range(12)]
        time.sleep(0.25)
        os.kill(first, signal.SIGKILL)
        for i, call in enumerate(calls):
            np.testing.assert_array_equal(call.result(60)[0], make_frames(*range(8 * i, 8 * i + 8))[0] * 2)
    assert len({note["pid"] for note in read_notes(tmp_path, "loads")}) == 2


def test_frames_that_kill_every_copy_are_a_fault_and_others_are_not_affected(servers, tmp_path: Path) -> None:
    client = servers(Doubler(tmp_path), gpus=2).make_clients()["motion"]
    with pytest.raises(ModelLost, match="motion: 3 processes that hold the model died at the same frames"):
        client.run(make_frames(-2))
    assert client.run(make_frames(4))[0][0, 0, 0] == 8


def test_a_copy_that_cannot_load_is_one_message_and_the_others_work(servers, tmp_path: Path) -> None:
    messages: list[str] = []
    client = servers(Unloadable(tmp_path, can=1), gpus=2, messages=messages).make_clients()["motion"]
    call_from_threads(client, [make_frames(i) for i in range(20)])
    wait_for(lambda: messages)
    (line,) = messages
    assert "no file /models/nlf.torchscript" in line and "the other copies do its work" in line
    assert len({note["pid"] for note in read_notes(tmp_path, "batches")}) == 1


@pytest.mark.parametrize("dies", [False, True])
def test_no_loadable_copy_is_a_user_error(servers, tmp_path: Path, dies: bool) -> None:
    why = "its process died" if dies else "motion.nlf.weights.path: no file /models/nlf.torchscript; mend the path"
    with pytest.raises(UserError, match=f"motion: no copy of the model could be run: {why}") as raised:
        servers(Unloadable(tmp_path, dies=dies), gpus=2)
    assert "\n" not in str(raised.value)


def test_outputs_equal_those_of_the_network_in_this_process(servers, tmp_path: Path) -> None:
    """A convolution on the CPU, one thread: bit for bit, through another process."""
    import torch

    torch.set_num_threads(1)
    here = Convolution()
    here.load("cpu")
    client = servers(Convolution()).make_clients()["motion"]
    rows = np.random.default_rng(0).standard_normal((5, 3, 40, 30), np.float32)
    (there,) = client.run((rows,))
    assert there.tobytes() == here.run((rows,))[0].tobytes() and there.dtype == np.float32


class Convolution:
    batch_size = 5

    def load(self, device: str) -> None:
        import torch

        torch.manual_seed(0)
        self.net = torch.nn.Conv2d(3, 8, 3).to(device).eval()

    def constants(self) -> dict:
        return {}

    def run(self, inputs):
        import torch

        from annotators.network import to_tensor

        with torch.inference_mode():
            return (self.net(to_tensor(inputs[0])).numpy(),)


def test_unauthenticated_clients_are_refused_and_others_still_served(tmp_path: Path) -> None:
    from multiprocessing import AuthenticationError
    from multiprocessing.connection import Client

    with start_locally(Doubler(tmp_path)) as running:
        client = running.make_clients()["motion"]
        address = str(Path(client.folder) / client.copies[0])
        with pytest.raises((AuthenticationError, EOFError, OSError)):
            Client(address, family="AF_UNIX", authkey=b"another")
        assert Path(client.folder).stat().st_mode & 0o077 == 0
        assert client.run(make_frames(4))[0][0, 0, 0] == 8


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with start_locally(Doubler(tmp_path), gpus=2) as running:
        folder = Path(running.make_clients()["motion"].folder)
        wait_for(lambda: len(read_notes(tmp_path, "loads")) == 2)
    assert not folder.exists()
    for note in read_notes(tmp_path, "loads"):
        with pytest.raises(ProcessLookupError):
            os.kill(note["pid"], 0)
    assert not [thread for thread in threading.enumerate() if thread.name == "model-servers"]


def test_no_networks_need_no_server() -> None:
    with LocalModelServers([], [], lambda line: None, device="cuda") as running:
        assert running.make_clients() == {}
