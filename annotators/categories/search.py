"""Search terms for videos of a category, from the built-in list or from a model behind an endpoint."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from annotators.categories.taxonomy import FineClass, find_category, list_majors, load_taxonomy
from annotators.endpoint.annotator import build_response_format
from annotators.endpoint.client import Client, EndpointError
from annotators.endpoint.config import ServerConfig
from humove.errors import UserError

_OPTION_NAMES = {"url": "--url", "model": "--model", "api_key_file": "--key-file"}
_TEMPLATES = ("{}", "{} solo", "{} slow motion", "{} full body", "{} tutorial one person")
_MAX_LETTERS = 80
_SCHEMA = {
    "type": "object",
    "properties": {"terms": {"type": "array", "items": {"type": "string"}}},
    "required": ["terms"],
    "additionalProperties": False,
}


def write_keywords(
    names: Sequence[str], count: int, form: str, *, server: ServerConfig | None = None, model: str = ""
) -> Iterator[str]:
    """Write the lines of `humove keywords`: at most `count` terms for each category (see `find_categories`), as "text"
    ("major/fine: term, term"), "csv" (major,fine,term) or "json" (one object by fine class).

    With a `server` a served model writes the terms. UserError for an unknown name or form, or an unreachable server.
    """
    if form not in _WRITERS:
        raise UserError(f"--format {form}: use one of {', '.join(_WRITERS)}")
    if model and (server is None or not server.url):
        raise UserError("--url is not set: name the server that has the model, as in http://HOST:8000/v1")
    categories = find_categories(names)
    get_terms: Callable[[FineClass, int], list[str]] = list_terms
    if server is not None and server.url:
        get_terms = TermModel(server, model).write_terms
    try:
        yield from _WRITERS[form]((category, get_terms(category, count)) for category in categories)
    except EndpointError as e:
        raise UserError(f"--url: {e}") from e


def find_categories(names: Sequence[str]) -> list[FineClass]:
    """Find the fine classes of these names; a major class stands for all of its fine ones, no name for all classes.

    UserError for a name that is none of the 9 major and 38 fine classes.
    """
    found: dict[str, FineClass] = {}
    for name in names or load_taxonomy():
        fine = find_category(name)
        of_major = [c for c in load_taxonomy().values() if c.major.casefold() == name.strip().casefold()]
        if fine is None and not of_major:
            raise UserError(f"{name!r} is no category; use one of: {', '.join([*list_majors(), *load_taxonomy()])}")
        found |= {c.fine: c for c in ([fine] if fine else of_major)}
    return list(found.values())


def list_terms(category: FineClass, count: int) -> list[str]:
    """Return up to `count` terms of the taxonomy: as listed, then with words that narrow them to one person."""
    terms = (form.format(term) for form in _TEMPLATES for term in (category.fine.lower(), *category.search))
    return _clean_terms(terms, count)


class TermModel:
    """A served model that writes search terms."""

    def __init__(self, server: ServerConfig, model: str, structured: str = "json_schema") -> None:
        if not model:
            raise UserError("--model is not set: name the model that the server has")
        self._client = Client(server, _OPTION_NAMES)
        self._client.check(model)
        self._model = model
        self._structured = structured
        self._tries = server.retries + 1

    def write_terms(self, category: FineClass, count: int) -> list[str]:
        """Write up to `count` terms. EndpointError if the model gives no list in `retries` + 1 tries."""
        error = ""
        for number in range(self._tries):
            reply = self._client.chat(self._build_request(category, count, number))
            try:
                terms = _clean_terms(_parse_terms(reply.text), count)
            except ValueError as e:
                error = str(e)
                continue
            if terms:
                return terms
            error = "an empty list"
        raise EndpointError(
            f"{self._model}: {category.fine}: {self._tries} answers were invalid, the last one: {error}"
        )

    def _build_request(self, category: FineClass, count: int, number: int) -> dict:
        prompt = (
            f'Write {count} different terms to search a video site for footage of the category "{category.fine}" '
            f"({category.major}): {category.phrase}. The videos should show one person, whole, moving. Vary the "
            "technique, the place, the level and the view. Terms have two to six words. Answer with one JSON object: "
            f'{{"terms": [...]}}. For instance: {", ".join(category.search)}.'
        )
        request = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0.7,
            "seed": number,
            "max_tokens": 64 + 24 * count,
        }
        return request | build_response_format(self._structured, "terms", _SCHEMA)


def _parse_terms(text: str) -> list[str]:
    """Parse the list of terms in an answer, which may be fenced. ValueError if there is none."""
    found = re.search(r"\{.*\}", text, re.DOTALL)
    if not found:
        raise ValueError(f"no JSON object in {text[:80]!r}")
    terms = json.loads(found.group())
    terms = terms.get("terms") if isinstance(terms, dict) else None
    if not isinstance(terms, list):
        raise ValueError(f"no list of terms in {text[:80]!r}")
    return [term for term in terms if isinstance(term, str)]


def _format_text(found: Iterable[tuple[FineClass, list[str]]]) -> Iterator[str]:
    for category, terms in found:
        yield f"{category.major}/{category.fine}: {', '.join(terms)}"


def _format_csv(found: Iterable[tuple[FineClass, list[str]]]) -> Iterator[str]:
    yield "major,fine,term"
    for category, terms in found:
        for term in terms:
            line = io.StringIO()
            csv.writer(line, lineterminator="").writerow((category.major, category.fine, term))
            yield line.getvalue()


def _format_json(found: Iterable[tuple[FineClass, list[str]]]) -> Iterator[str]:
    yield json.dumps({category.fine: terms for category, terms in found}, indent=1, ensure_ascii=False)


_WRITERS = {"text": _format_text, "csv": _format_csv, "json": _format_json}


def _clean_terms(terms: Iterable[str], count: int) -> list[str]:
    """Return the first `count` different terms of a valid length, in one line each."""
    found: dict[str, str] = {}
    for term in terms:
        line = " ".join("".join(c if c.isprintable() else " " for c in term).split()).strip(" \"'.,;-")
        if 2 <= len(line) <= _MAX_LETTERS:
            found.setdefault(line.casefold(), line)
    return list(found.values())[:count]
