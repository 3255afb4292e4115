"""Build a data set on two Ray nodes that share nothing, each in its own network namespace and folder.

    sudo .venv/bin/python scripts/two_machines.py VIDEOS_FOLDER [--kill]

The videos are served by HTTP, the set is written to an S3 server (moto) on this machine, and its shards are compared
with those of a local build. --kill kills the second node with -9 while it measures. Needs Linux, root and iproute2.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BRIDGE, GATEWAY, NODES = "humove0", "10.77.0.1", {"humove-a": "10.77.0.11", "humove-b": "10.77.0.12"}
S3_PORT, HTTP_PORT, RAY_PORT = 5077, 8077, 6377
BIN = Path(sys.executable).parent
STORE = {
    "AWS_ENDPOINT_URL": f"http://{GATEWAY}:{S3_PORT}",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def run_command(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_network() -> None:
    """Create a bridge that connects this machine and two namespaces."""
    run_command("ip", "link", "add", BRIDGE, "type", "bridge")
    run_command("ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    run_command("ip", "link", "set", BRIDGE, "up")
    for index, (name, address) in enumerate(NODES.items()):
        run_command("ip", "netns", "add", name)
        run_command("ip", "link", "add", f"humove{index}a", "type", "veth", "peer", "name", f"humove{index}b")
        run_command("ip", "link", "set", f"humove{index}a", "master", BRIDGE, "up")
        run_command("ip", "link", "set", f"humove{index}b", "netns", name)
        inside = ("ip", "netns", "exec", name, "ip")
        run_command(*inside, "addr", "add", f"{address}/24", "dev", f"humove{index}b")
        run_command(*inside, "link", "set", f"humove{index}b", "up")
        run_command(*inside, "link", "set", "lo", "up")


def remove_network() -> None:
    for name in NODES:
        for pid in list_processes(name):
            os.kill(pid, signal.SIGKILL)
        run_command("ip", "netns", "del", name, check=False)
    run_command("ip", "link", "del", BRIDGE, check=False)


def list_processes(node: str) -> list[int]:
    found = subprocess.run(["ip", "netns", "pids", node], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def start_on(node: str, folder: Path, *command: str) -> subprocess.Popen:
    """Run a command in a namespace, with its own folder for everything that it writes."""
    own = folder / node
    own.mkdir(exist_ok=True)
    env = {**os.environ, **STORE, "TMPDIR": str(own), "HOME": str(own), "RAY_USAGE_STATS_ENABLED": "0"}
    log = (own / "log").open("a")
    return subprocess.Popen(
        ["ip", "netns", "exec", node, *command], env=env, cwd=own, stdout=log, stderr=log, start_new_session=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path)
    parser.add_argument("--kill", action="store_true", help="kill the second node while it measures")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hm-", dir="/tmp"))
    servers = []
    try:
        make_network()
        servers = [
            subprocess.Popen([sys.executable, "-m", "moto.server", "-H", GATEWAY, "-p", str(S3_PORT)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
            subprocess.Popen([sys.executable, "-m", "http.server", str(HTTP_PORT), "--bind", GATEWAY],
                             cwd=args.videos, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
        ]  # fmt: skip
        print(json.dumps(try_build(args.videos.resolve(), folder, kill=args.kill)))
    finally:
        for server in servers:
            server.kill()
        remove_network()
        shutil.rmtree(folder, ignore_errors=True)


def try_build(videos: Path, folder: Path, *, kill: bool) -> dict:
    names = sorted(path.name for path in videos.iterdir())
    manifest = folder / "videos.csv"
    manifest.write_text("uri\n" + "".join(f"http://{GATEWAY}:{HTTP_PORT}/{name}\n" for name in names))
    local = folder / "local"
    subprocess.run([BIN / "humove", "build", manifest, local], check=True, capture_output=True)
    first, second = NODES
    start_on(first, folder, f"{BIN}/ray", "start", "--head", f"--node-ip-address={NODES[first]}",
             f"--port={RAY_PORT}", "--num-cpus=1", "--include-dashboard=false", f"--temp-dir={folder / first}/r",
             "--block")  # fmt: skip
    time.sleep(15)
    start_on(second, folder, f"{BIN}/ray", "start", f"--address={NODES[first]}:{RAY_PORT}",
             f"--node-ip-address={NODES[second]}", "--num-cpus=1", "--block")  # fmt: skip
    time.sleep(15)
    make_bucket()
    start = time.monotonic()
    build = start_on(
        first, folder, f"{BIN}/humove", "build", str(manifest), "s3://sets/two", "--executor", "ray", "--address",
        f"{NODES[first]}:{RAY_PORT}",
    )  # fmt: skip
    killed_at = None
    busy = 0
    while build.poll() is None:
        time.sleep(0.5)
        working = [pid for pid in list_processes(second) if is_measuring(pid)]
        busy = max(busy, len(working))
        if kill and killed_at is None and working and time.monotonic() - start > 20:
            for pid in list_processes(second):
                os.kill(pid, signal.SIGKILL)
            killed_at = round(time.monotonic() - start, 1)
    seconds = round(time.monotonic() - start, 1)
    if build.returncode:
        print((folder / first / "log").read_text()[-2000:], file=sys.stderr)
    stored, local_shards = (
        hash_stored("two"),
        {p.name: hash_bytes(p.read_bytes()) for p in (local / "shards").iterdir()},
    )
    return {
        "exit_code": build.returncode, "seconds": seconds, "second_node_worked": busy > 0, "killed_after_s": killed_at,
        "shards": len(stored), "same_as_local": stored == local_shards, "log": read_log_tail(folder / first / "log"),
    }  # fmt: skip


def read_log_tail(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if "machine" in line or "samples" in line][-3:]


def is_measuring(pid: int) -> bool:
    """Tell whether a Ray process has loaded torch, as measuring workers do."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text()
        return "libtorch_cpu" in maps
    except OSError:
        return False


def hash_bytes(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def make_bucket() -> None:
    import boto3

    boto3.client("s3", endpoint_url=STORE["AWS_ENDPOINT_URL"], aws_access_key_id="test", aws_secret_access_key="test",
                 region_name="us-east-1").create_bucket(Bucket="sets")  # fmt: skip


def hash_stored(name: str) -> dict[str, str]:
    from humove.storage import open_store

    os.environ.update(STORE)
    store = open_store(f"s3://sets/{name}")
    return {e.name.rpartition("/")[2]: hash_bytes(store.read(e.name)) for e in store.list("shards")}


if __name__ == "__main__":
    main()
