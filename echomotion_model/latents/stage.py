"""The stage that encodes one shard, atomically, with one sample in memory at a time."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from echomotion_model.data.sample import load_sample
from echomotion_model.latents.arrays import encode_tensor
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import ShardJob
from echomotion_model.latents.protocol import EncoderIds, EncoderLoader, TextEncoder, VideoEncoder, get_encoder_ids
from echomotion_model.latents.schemas import LatentsShard, SampleMembers, get_json_name, get_null_text_name
from echomotion_model.latents.source import find_shard_row, iterate_entries, open_source
from humove.errors import UserError
from humove.stage import Resources
from humove.storage import Store
from shards.buckets import LeftOut
from shards.motion_only.dataset import MotionOnlyDataset
from shards.reader import Dataset
from shards.tars import TarWriter

_Members = Iterator[tuple[str, list[bytes], list[bytes]]]
"""Key, windows, texts of each sample."""


class EncodeShard:
    """The stage ShardJob -> LatentsShard, for any executor; jobs are independent.

    Raises UserError if the data set is damaged, or a worker's encoders are not those of the plan.
    """

    name = "latents"

    def __init__(self, load: EncoderLoader, *, device: str = "cpu", resources: Resources | None = None) -> None:
        self.resources = resources or Resources(cpus=1.0, gpus=0.0 if device == "cpu" else 1.0)
        self._load, self._device = load, device
        self._encoders: tuple[VideoEncoder, TextEncoder] | None = None
        self._ids: EncoderIds | None = None

    def setup(self) -> None:
        """Load the encoders."""
        self._encoders = self._load(self._device)
        self._ids = get_encoder_ids(*self._encoders)

    def process(self, job: ShardJob, attempt: int = 0) -> LatentsShard:
        """Write the job's latents shard."""
        planned, own = job.made_from.encoders, self._ids
        if own != planned:
            raise UserError(
                f"{job.name}: this worker has {own.video.name} {own.video.hash[:12]} and {own.text.name} "
                f"{own.text.hash[:12]}, the plan was made with {planned.video.name} {planned.video.hash[:12]} and "
                f"{planned.text.name} {planned.text.hash[:12]}; use the same weights on all machines"
            )
        source = open_source(job.dataset)
        if find_shard_row(source, job.name).sha256 != job.made_from.shard_sha256:
            raise UserError(f"{source.path}: {job.name} has been replaced; run `humove latents` again")
        settings, left_out = job.made_from.settings, Counter[str]()
        write_null_text(job.out, self._encoders[1], settings.dtype)
        document = get_json_name(job.name)
        job.out.delete([document])  # an older .json must never be beside the new tar
        samples: dict[str, SampleMembers] = {}
        with _open_output(job.out, job.name) as path, TarWriter(path) as tar:
            for key, windows, texts in self._encode_samples(source, job, settings, left_out):
                samples[key] = SampleMembers(
                    windows=[(tar.add(f"{key}.w{i:02d}.npz", raw), len(raw)) for i, raw in enumerate(windows)],
                    texts=[(tar.add(f"{key}.t{i:02d}.npz", raw), len(raw)) for i, raw in enumerate(texts)],
                )
        done = LatentsShard(
            identity=job.made_from.identity,
            made_from=job.made_from,
            bytes=tar.written.bytes,
            sha256=tar.written.sha256,
            left_out=dict(sorted(left_out.items())),
            samples=samples,
        )
        job.out.write(document, f"{done.model_dump_json()}\n".encode())
        return done

    def _encode_samples(
        self, source: Dataset | MotionOnlyDataset, job: ShardJob, settings: LatentsSettings, left_out: Counter
    ) -> _Members:
        if isinstance(source, MotionOnlyDataset):
            for sample in source.iterate_shard(job.name):
                yield sample.key, [], [self._encode_text(caption, settings) for caption in sample.meta.captions]
            return
        config = settings.make_loader_config(find_shard_row(source, job.name).split)
        for entry in iterate_entries(source, job.name, settings.buckets):
            if isinstance(entry, LeftOut):
                left_out[str(entry)] += 1
                continue
            windows, caption = [], ""
            for window in range(settings.windows):
                sample = load_sample(source, entry, config, window)
                windows.append(self._encode_window(sample.video, sample.instants, settings))
                caption = sample.caption
            yield entry.key, windows, [self._encode_text(caption, settings)]

    @torch.no_grad()
    def _encode_window(self, video_THW3: np.ndarray, instants_T: np.ndarray, settings: LatentsSettings) -> bytes:
        latents_BCFhw = self._encoders[0].encode_video(torch.from_numpy(video_THW3)[None])
        frames = (len(video_THW3) - 1) // 4 + 1
        if latents_BCFhw.ndim != 5 or latents_BCFhw.shape[0] != 1 or latents_BCFhw.shape[2] != frames:
            raise ValueError(f"latents {tuple(latents_BCFhw.shape)} of 1 video, expected (1, C, {frames}, h, w)")
        return encode_tensor(latents_BCFhw[0], settings.dtype, instants=instants_T.astype("<f8"))

    def _encode_text(self, caption: str, settings: LatentsSettings) -> bytes:
        return _encode_caption(self._encoders[1], caption, settings.dtype)


@torch.no_grad()
def _encode_caption(encoder: TextEncoder, caption: str, dtype: str) -> bytes:
    """Encode one caption at a time: the result must not depend on padding in a batch."""
    tokens_BLD, lengths_B = encoder.encode_text([caption])
    return encode_tensor(tokens_BLD[0, : int(lengths_B[0])], dtype)


def write_null_text(out: Store, encoder: TextEncoder, dtype: str) -> None:
    """Write the embedding of "" once; concurrent workers write the same bytes."""
    name = get_null_text_name(encoder.hash, dtype)
    if not out.exists(name):
        out.write(name, _encode_caption(encoder, "", dtype))


@contextmanager
def _open_output(store: Store, name: str) -> Iterator[Path]:
    """Yield a local path for a tar, which is in the store after the block.

    In a folder it is written in place, since the disk of temporary files may be too small.
    """
    if store.is_local:
        yield store.path(name)
        return
    with tempfile.TemporaryDirectory(prefix="latents-") as folder:
        path = Path(folder) / name
        yield path
        store.write_file(name, path)
