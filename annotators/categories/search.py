"""Terms to search videos with: of a category, from the built-in list or from a model behind an endpoint."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from annotators.categories.taxonomy import Category, majors, named, taxonomy
from annotators.endpoint.annotator import response_format
from annotators.endpoint.client import Client, EndpointError
from annotators.endpoint.config import ServerConfig
from humove.errors import UserError

_CALLED = {"url": "--url", "model": "--model", "api_key_file": "--key-file"}
_FORMS = ("{}", "{} solo", "{} slow motion", "{} full body", "{} tutorial one person")
_LONGEST = 80
_SCHEMA = {
    "type": "object",
    "properties": {"terms": {"type": "array", "items": {"type": "string"}}},
    "required": ["terms"],
    "additionalProperties": False,
}


def keywords(
    names: Sequence[str], count: int, form: str, *, server: ServerConfig | None = None, model: str = ""
) -> Iterator[str]:
    """The lines of `humove keywords`: terms of these categories (see `chosen`), `count` each at the most, as "text"
    ("major/fine: term, term"), "csv" (major,fine,term) or "json" (one object by fine class).

    With a `server` a served model writes the terms. UserError for a name, a form or a server that does not exist.
    """
    if form not in _WRITERS:
        raise UserError(f"--format {form}: use one of {', '.join(_WRITERS)}")
    if model and (server is None or not server.url):
        raise UserError("--url is not set: name the server that has the model, as in http://HOST:8000/v1")
    categories = chosen(names)
    of: Callable[[Category, int], list[str]] = built_in
    if server is not None and server.url:
        of = Asked(server, model).terms
    try:
        yield from _WRITERS[form]((category, of(category, count)) for category in categories)
    except EndpointError as e:
        raise UserError(f"--url: {e}") from e


def chosen(names: Sequence[str]) -> list[Category]:
    """The fine classes of these names, a major one standing for all of its own; all of them where none is given.

    UserError for a name that is none of the 9 and none of the 38.
    """
    found: dict[str, Category] = {}
    for name in names or taxonomy():
        fine = named(name)
        of_major = [c for c in taxonomy().values() if c.major.casefold() == name.strip().casefold()]
        if fine is None and not of_major:
            raise UserError(f"{name!r} is no category; use one of: {', '.join([*majors(), *taxonomy()])}")
        found |= {c.fine: c for c in ([fine] if fine else of_major)}
    return list(found.values())


def built_in(category: Category, count: int) -> list[str]:
    """Up to `count` terms from the list: each as it is, then with words that narrow it to one person."""
    terms = (form.format(term) for form in _FORMS for term in (category.fine.lower(), *category.search))
    return _tidied(terms, count)


class Asked:
    """Terms of a served model."""

    def __init__(self, server: ServerConfig, model: str, structured: str = "json_schema") -> None:
        if not model:
            raise UserError("--model is not set: name the model that the server has")
        self._client = Client(server, _CALLED)
        self._client.check(model)
        self._model = model
        self._structured = structured
        self._tries = server.retries + 1

    def terms(self, category: Category, count: int) -> list[str]:
        """Up to `count` terms. EndpointError where the model gives no list in as many tries as the server has."""
        why = ""
        for number in range(self._tries):
            reply = self._client.chat(self._request(category, count, number))
            try:
                terms = _tidied(_listed(reply.text), count)
            except ValueError as e:
                why = str(e)
                continue
            if terms:
                return terms
            why = "an empty list"
        raise EndpointError(f"{self._model}: {category.fine}: {self._tries} answers were no good, the last one: {why}")

    def _request(self, category: Category, count: int, number: int) -> dict:
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
        return request | response_format(self._structured, "terms", _SCHEMA)


def _listed(text: str) -> list[str]:
    """The texts of the list in an answer, which may stand in a fence. ValueError where there is none."""
    found = re.search(r"\{.*\}", text, re.DOTALL)
    if not found:
        raise ValueError(f"no JSON object in {text[:80]!r}")
    terms = json.loads(found.group())
    terms = terms.get("terms") if isinstance(terms, dict) else None
    if not isinstance(terms, list):
        raise ValueError(f"no list of terms in {text[:80]!r}")
    return [term for term in terms if isinstance(term, str)]


def _as_text(found: Iterable[tuple[Category, list[str]]]) -> Iterator[str]:
    for category, terms in found:
        yield f"{category.major}/{category.fine}: {', '.join(terms)}"


def _as_csv(found: Iterable[tuple[Category, list[str]]]) -> Iterator[str]:
    yield "major,fine,term"
    for category, terms in found:
        for term in terms:
            line = io.StringIO()
            csv.writer(line, lineterminator="").writerow((category.major, category.fine, term))
            yield line.getvalue()


def _as_json(found: Iterable[tuple[Category, list[str]]]) -> Iterator[str]:
    yield json.dumps({category.fine: terms for category, terms in found}, indent=1, ensure_ascii=False)


_WRITERS = {"text": _as_text, "csv": _as_csv, "json": _as_json}


def _tidied(terms: Iterable[str], count: int) -> list[str]:
    """The first `count` different ones, in one line each, of a sensible length."""
    found: dict[str, str] = {}
    for term in terms:
        line = " ".join("".join(c if c.isprintable() else " " for c in term).split()).strip(" \"'.,;-")
        if 2 <= len(line) <= _LONGEST:
            found.setdefault(line.casefold(), line)
    return list(found.values())[:count]
