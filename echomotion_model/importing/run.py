"""`humove import-motion`: a folder of motion becomes a motion-only data set, every input counted."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from echomotion_model.importing.amass import read_amass
from echomotion_model.importing.bodies import TrueBodies
from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.humanml3d import humanml3d_inputs
from echomotion_model.importing.inputs import Input, file_inputs, kind_of
from echomotion_model.importing.mocap import read_mocap
from echomotion_model.importing.motion import SourceMotion, pieces
from echomotion_model.importing.reasons import BadMotion, LeftOut
from echomotion_model.importing.sample import sample_of
from humove.errors import EXIT_NO_SAMPLES, UserError
from humove.ids import clip_id_of, video_id_of
from shards.documents import Rights
from shards.format import DATASET_FILE, SHARD_NAME, SHARDS_FOLDER
from shards.motion_only_documents import MOTION_FILE, MotionOnlyDoc, MotionOnlySample
from shards.motion_only_writer import MotionOnlyWriter

_RIGHTS = {
    "amass": Rights(licence="AMASS: non-commercial research", source_url="https://amass.is.tue.mpg.de/license.html"),
    "humanml3d": Rights(
        licence="motion AMASS: non-commercial research; texts HumanML3D: MIT",
        source_url="https://github.com/EricGuo5513/HumanML3D",
    ),
    "bvh": Rights(),
}
_UNFINISHED = ".importing"
"""Stands in OUT while an import runs: what a killed one left may be written over, nothing else may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a folder: inputs = kept + the sum of left_out; a kept input gives one sample or more."""

    out: Path
    kind: str
    inputs: int
    kept: int
    samples: int
    seconds: float
    left_out: dict[str, int]
    examples: dict[str, str]
    """The first input left out for each reason, and the detail; all of them are in outcomes.parquet."""

    def lines(self) -> list[str]:
        """The counts, for people."""
        first = (
            f"{self.out}: {self.samples} samples, {self.seconds / 3600:.2f} h, from {self.kept} of {self.inputs} "
            f"{self.kind} inputs"
        )
        return [
            first,
            *(f"  {number} left out: {why}, as {self.examples[why]}" for why, number in self.left_out.items()),
        ]


def import_motion(
    source: Path,
    out: Path,
    kind: str = "auto",
    *,
    settings: ImportSettings | None = None,
    amass: Path | None = None,
    body_models: Path | None = None,
    licence: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Imports every motion under `source` into a new folder `out`.

    kind: auto, amass, humanml3d or bvh; amass: AMASS's folder, for HumanML3D; body_models: the user's SMPL+H files
    (bodies.TrueBodies), else the open body stands in; licence: what to note of the files, where it is another than the
    collection's own; progress(done, inputs) is called after each input.

    A bad input is counted and named, never fatal. UserError where `source` holds nothing of the kind, where `out`
    holds something already, and, with exit code 3 and nothing committed, where no input gives a sample.
    """
    settings = settings or ImportSettings()
    kind = kind_of(source) if kind == "auto" else kind
    if kind not in _RIGHTS:
        raise UserError(f"no kind of motion {kind!r}; choose auto, {', '.join(_RIGHTS)}")
    bodies = TrueBodies(body_models) if body_models else None
    inputs = humanml3d_inputs(source, amass, settings) if kind == "humanml3d" else file_inputs(source, kind, settings)
    if not inputs:
        raise UserError(f"{source} holds nothing to import as {kind}")
    rights = _RIGHTS[kind].model_copy(update={"licence": licence}) if licence else _RIGHTS[kind]
    _claim(out)
    examples: dict[str, str] = {}
    with MotionOnlyWriter(out) as writer:
        for done, (one, result) in enumerate(_settled(inputs, _Reader(kind, bodies, settings, rights)), start=1):
            if isinstance(result, BadMotion):
                writer.left_out(one.source, result.reason, result.detail)
                examples.setdefault(str(result.reason), f"{one.source} ({result.detail})")
            else:
                for sample in result:
                    writer.write(sample)
                writer.kept(one.source)
            if progress:
                progress(done, len(inputs))
        if not writer.num_samples:
            why = "; ".join(f"{reason}: {text}" for reason, text in sorted(examples.items()))
            raise UserError(f"{source}: none of {len(inputs)} inputs gives a sample ({why})", EXIT_NO_SAMPLES)
        doc = writer.commit(kind, settings.model_dump(mode="json"))
    (out / _UNFINISHED).unlink()
    return _imported(out, doc, examples)


class _Reader:
    """Reads inputs; the last file is kept, since many rows of an index are of one recording."""

    def __init__(self, kind: str, bodies: TrueBodies | None, settings: ImportSettings, rights: Rights) -> None:
        self._kind, self._bodies, self._settings, self._rights = kind, bodies, settings, rights
        self._last: tuple[Path, SourceMotion | BadMotion] | None = None

    def samples(self, one: Input, file_id: str) -> list[MotionOnlySample]:
        """The samples of an input, in key order. BadMotion where it gives none."""
        motion = self._motion(one.path)
        made: list[MotionOnlySample] = []
        for part in one.parts:
            start, end = part.rows(len(motion), motion.fps)
            if end - start < max(2, self._settings.min_seconds * motion.fps):
                continue
            whole = motion.cut(start, end)
            for first, last in pieces(len(whole), motion.fps, self._settings.max_seconds):
                made.append(
                    sample_of(
                        whole.cut(first, last),
                        key=clip_id_of(file_id, one.shot, len(made)),
                        split=one.split,
                        kind=self._kind,
                        file=one.file,
                        name=one.name,
                        captions=part.captions,
                        rights=self._rights,
                        max_fps=self._settings.max_fps,
                    )
                )
        if not made:
            seconds = [(end - start) / float(motion.fps) for start, end in self._spans(one, motion)]
            said = f"{max(seconds, default=0):.2f} s, under {self._settings.min_seconds} s"
            raise BadMotion(LeftOut.TOO_SHORT, said)
        return made

    def _spans(self, one: Input, motion: SourceMotion) -> list[tuple[int, int]]:
        return [part.rows(len(motion), motion.fps) for part in one.parts]

    def _motion(self, path: Path) -> SourceMotion:
        if self._last is None or self._last[0] != path:
            self._last = (path, self._read(path))
        read = self._last[1]
        if isinstance(read, BadMotion):
            raise read
        return read

    def _read(self, path: Path) -> SourceMotion | BadMotion:
        try:
            return read_mocap(path) if self._kind == "bvh" else read_amass(path, self._bodies)
        except BadMotion as bad:
            return bad


def _settled(inputs: list[Input], reader: _Reader) -> Iterator[tuple[Input, list[MotionOnlySample] | BadMotion]]:
    """Every input with its samples or its reason: the bad ones first, then the others in the order of their keys."""
    ids: dict[Path, str] = {}
    ready: list[tuple[str, int, Input]] = []
    seen: dict[tuple[str, int], str] = {}
    for one in inputs:
        try:
            if one.bad:
                raise one.bad
            if one.path not in ids:
                ids[one.path] = _file_id(one.path)
            place = (ids[one.path], one.shot)
            if place in seen:
                raise BadMotion(LeftOut.DUPLICATE, f"the same file as {seen[place]}")
        except BadMotion as bad:
            yield one, bad
            continue
        seen[place] = one.source
        ready.append((*place, one))
    for file_id, _, one in sorted(ready, key=lambda item: clip_id_of(item[0], item[1], 0)):
        try:
            result: list[MotionOnlySample] | BadMotion = reader.samples(one, file_id)
        except BadMotion as bad:
            result = bad
        yield one, result


def _file_id(path: Path) -> str:
    try:
        return video_id_of(path)
    except OSError as error:
        raise BadMotion(LeftOut.UNREADABLE, str(error.strerror or error)) from error


def _claim(out: Path) -> None:
    """Takes a new or empty folder, or one that an import left unfinished."""
    unfinished = (out / _UNFINISHED).is_file()
    if (out / MOTION_FILE).exists() or (out / DATASET_FILE).exists():
        raise UserError(f"{out} holds a data set already; give a new OUT, or remove that one first")
    if out.exists() and not unfinished and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there and holds something else; give a new OUT")
    out.mkdir(parents=True, exist_ok=True)
    (out / _UNFINISHED).touch()
    for path in (out / SHARDS_FOLDER).glob("*.tar"):
        if SHARD_NAME.fullmatch(path.name):
            path.unlink()


def _imported(out: Path, doc: MotionOnlyDoc, examples: dict[str, str]) -> Imported:
    return Imported(
        out=out,
        kind=doc.kind,
        inputs=doc.inputs,
        kept=doc.kept,
        samples=sum(row.num_samples for row in doc.shards),
        seconds=doc.seconds,
        left_out=dict(Counter(doc.left_out).most_common()),
        examples=examples,
    )
