"""Sizes and stamps of many locations, requested concurrently."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from pipelines.inputs import http_source, store_source
from pipelines.inputs.addresses import is_http, is_url
from pipelines.inputs.versions import Version, read_local_version

if TYPE_CHECKING:
    import aiohttp

AT_ONCE = 64
TIMEOUT_S = 20.0
_FILES_PER_TASK = 64
_TASKS_PER_ROUND = 256
_REPORT_S = 0.25

Report = Callable[[int, int], None]
"""A function of the number of finished locations and their total, called on the caller's thread."""


def read_versions(
    locations: Sequence[str], *, report: Report | None = None, at_once: int = AT_ONCE, timeout_s: float = TIMEOUT_S
) -> list[Version]:
    """Return the version of each location. A missing or silent one does not raise; its stamp states it.

    At most `at_once` are requested concurrently, each for at most `timeout_s` seconds.
    """
    total = len(locations)
    local = [i for i, location in enumerate(locations) if not is_url(location)]
    remote = [i for i, location in enumerate(locations) if is_url(location)]
    versions: list[Version] = [Version()] * total
    if local:
        _read_local(locations, local, versions, at_once, lambda done: report and report(done, total))
    if remote:
        _read_remote(
            locations, remote, versions, at_once, timeout_s, lambda done: report and report(len(local) + done, total)
        )
    return versions


def _read_local(
    locations: Sequence[str],
    places: Sequence[int],
    versions: list[Version],
    at_once: int,
    report: Callable[[int], object],
) -> None:
    # Threads are faster on network file systems, where each stat waits for a reply.
    done = 0
    with ThreadPoolExecutor(at_once) as pool:
        for start in range(0, len(places), _FILES_PER_TASK * _TASKS_PER_ROUND):
            part = places[start : start + _FILES_PER_TASK * _TASKS_PER_ROUND]
            tasks = [part[i : i + _FILES_PER_TASK] for i in range(0, len(part), _FILES_PER_TASK)]
            for task, found in zip(
                tasks, pool.map(lambda t: [read_local_version(locations[i]) for i in t], tasks), strict=True
            ):
                for i, version in zip(task, found, strict=True):
                    versions[i] = version
            done += len(part)
            report(done)


def _read_remote(
    locations: Sequence[str],
    places: Sequence[int],
    versions: list[Version],
    at_once: int,
    timeout_s: float,
    report: Callable[[int], object],
) -> None:
    from fsspec.asyn import get_loop

    schemes: dict[str, str] = {}
    for i in places:
        if not is_http(locations[i]):
            schemes.setdefault(locations[i].partition("://")[0], locations[i])
    for location in schemes.values():  # outside the event loop, which some file systems use in their constructor
        store_source.open_filesystem(location)
    done = 0

    async def read_all() -> None:
        queue = iter(places)
        async with http_source.open_session(timeout_s=timeout_s, connections=at_once) as session:

            async def read_queued() -> None:
                nonlocal done
                for i in queue:
                    versions[i] = await _read_one(session, locations[i], timeout_s)
                    done += 1

            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(places))):
                    group.create_task(read_queued())

    future = asyncio.run_coroutine_threadsafe(read_all(), get_loop())
    try:
        while not future.done():
            wait([future], timeout=_REPORT_S)
            report(done)
        future.result()
    finally:
        future.cancel()


async def _read_one(session: "aiohttp.ClientSession", location: str, timeout_s: float) -> Version:
    try:
        async with asyncio.timeout(timeout_s):
            if is_http(location):
                return await http_source.read_version(session, location)
            return await store_source.read_version(location)
    except TimeoutError:
        return Version()
