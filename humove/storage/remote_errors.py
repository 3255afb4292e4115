"""Translation of the errors of object stores: missing, refused, or not answering."""

import errno
from collections.abc import Iterator

from humove.errors import UserError

_NO_CREDENTIALS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
    "DefaultCredentialsError",
    "RefreshError",
}
_SILENT = {"HTTPClientError", "ConnectionError", "ClientError", "TransportError", "FSTimeoutError", "RequestException"}
"""Base classes of botocore, aiohttp, google.auth, fsspec and requests for a server that does not answer."""
_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401", "403", "Forbidden", "ExpiredToken"}
_BUSY = {errno.EBUSY, errno.EREMOTEIO, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED}
CREDENTIALS = {
    "s3": "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_ENDPOINT_URL where the store is not at AWS",
    "gs": "give GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud auth application-default login",
}


def explain_error(error: Exception, location: str, protocol: str, name: str) -> Exception:
    """Return the error to raise instead of a file system's `error` about a file of the store at `location`."""
    place = f"{location}/{name}".rstrip("/")
    code = str(_find_code(error))
    text = " ".join(str(error).split())[:300] or type(error).__name__
    kinds = {kind.__name__ for kind in type(error).__mro__}
    remedy = CREDENTIALS.get(protocol, "check the address and your rights there")
    if code in ("NoSuchBucket", "InvalidBucketName") or "ParamValidationError" in kinds:
        return UserError(f"{location}: there is no such bucket ({text}); create it, or correct the address")
    if kinds & _NO_CREDENTIALS:
        return UserError(f"{location}: no credentials ({text}); {remedy}")
    if isinstance(error, PermissionError) or code in _REFUSED or text.startswith("Forbidden"):
        return UserError(f"{place}: access is refused ({text}); {remedy}")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(place)
    if isinstance(error, FileExistsError) or code in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
        return FileExistsError(place)
    if code in ("InvalidRange", "416"):
        return EOFError(f"{place} ends before the requested bytes")
    if isinstance(error, NotImplementedError) or code in ("NotImplemented", "405", "501"):
        return UserError(f"{place}: {protocol} has no such request ({text}); choose a folder, s3:// or gs://")
    if _is_silent(error, code, kinds):
        return ConnectionError(f"{place}: the store does not answer ({text})")
    if isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.EREMCHG, errno.EPERM):
        return UserError(
            f"{place}: the store refuses the request ({text}); check the address, the region and the rights"
        )
    return error


def _is_silent(error: Exception, code: str, kinds: set[str]) -> bool:
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if code.isdigit():
        return int(code) >= 500 or int(code) in (408, 429)
    return bool(kinds & _SILENT) or isinstance(error, OSError) and error.errno in _BUSY


def _find_code(error: Exception) -> object:
    """Return the store's error code: S3's name (NoSuchBucket), or an HTTP status."""
    for cause in _iterate_causes(error):
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            return response.get("Error", {}).get("Code", "")
        for field in ("status", "code"):
            if isinstance(getattr(cause, field, None), int):
                return getattr(cause, field)
    return ""


def _iterate_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
