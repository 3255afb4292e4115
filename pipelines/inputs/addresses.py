"""The addresses of sources: local paths, http(s) URLs, and objects of a store."""

import os
import posixpath
import re
from urllib.parse import urljoin, urlsplit

from humove.errors import UserError

SCHEMES = ("http", "https", "s3", "gs", "gcs", "memory")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


def get_scheme(text: str) -> str:
    """Return the scheme in lower case; "" where the text has none."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else ""


def is_url(text: str) -> bool:
    return get_scheme(text) in SCHEMES


def is_http(text: str) -> bool:
    return get_scheme(text) in ("http", "https")


def get_suffix(text: str) -> str:
    """Return the suffix of a path or URL in lower case, with its dot, without the query of an http URL."""
    path = urlsplit(text).path if is_http(text) else text
    return posixpath.splitext(path.rstrip("/"))[1].lower()


def check_address(text: str) -> str:
    """Return a path or URL without file://. Raises ValueError in one line where the scheme or URL is not usable."""
    scheme = get_scheme(text)
    if scheme == "file":
        return text[len("file://") :]
    if scheme and scheme not in SCHEMES:
        raise ValueError(f"{scheme}:// addresses can't be read; use a path, http, https, s3 or gs")
    if is_http(text):
        try:
            parts = urlsplit(text)
            valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            valid = False
        if not valid:
            raise ValueError("is not a valid URL; check its host and port")
    elif scheme and not text.partition("://")[2].strip("/"):
        raise ValueError(f"names no file; write {scheme}://bucket/name")
    return text


def join_address(base: str, uri: str) -> str:
    """Return the address of a manifest's `uri`; `base` is the manifest's own address."""
    if is_url(uri):
        return uri
    if is_http(base):
        return urljoin(base, uri)
    if is_url(base):
        scheme, _, path = base.partition("://")
        bucket, _, name = path.partition("/")
        joined = posixpath.normpath(posixpath.join("/", posixpath.dirname(name), uri))
        return f"{scheme}://{bucket}/{joined.lstrip('/')}"
    return os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(base)), os.path.expanduser(uri)))


def hide_credentials(text: str) -> str:
    """Return an address without user, password, query and fragment, for logs."""
    if not is_url(text):
        return text
    scheme, _, rest = text.partition("://")
    end = min((rest.find(c) for c in "?#" if c in rest), default=len(rest)) if is_http(text) else len(rest)
    host, slash, path = rest[:end].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}" + ("?..." if rest[end : end + 1] == "?" else "")


def format_error(error: BaseException) -> str:
    """Return an exception in one line, without the credentials of URLs in its text."""
    text = " ".join(str(error).split())[:300]
    name = type(error).__name__
    return f"{name}: {_URL.sub(lambda match: hide_credentials(match[0]), text)}" if text else name


def make_missing_extra_error(location: str, error: ImportError) -> UserError:
    scheme = get_scheme(location)
    extra = {"gcs": "gs"}.get(scheme, scheme)
    return UserError(
        f"{hide_credentials(location)}: {error}; install the extra for this store: make setup EXTRAS={extra}"
    )
