"""What a storage's refusal means and what to do, in one line.

S3 answers with codes (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html); s3fs turns some of them
into Python's errors and keeps the answer as the cause.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from stemma.errors import NUMBERS, StemmaError, VersionError
from stemma.text import in_one_line

NO_SERVER = "what answers there is no S3 server: correct the endpoint's URL"
CODES = {
    "InvalidAccessKeyId": "the access key is not known there (403): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "SignatureDoesNotMatch": "the secret key does not fit the access key (403): set AWS_SECRET_ACCESS_KEY again",
    "ExpiredToken": "the session's token has expired (403): log in again, then set AWS_SESSION_TOKEN",
    "InvalidToken": "the session's token is refused (403): set AWS_SESSION_TOKEN again, or unset it",
    "AccessDenied": "the key may not do this (403): allow it in the bucket's policy, or use another key",
    "RequestTimeTooSkewed": "this machine's clock is off by more than the server allows (403): set the clock (NTP)",
    "RequestExpired": "this machine's clock is off by more than the server allows (403): set the clock (NTP)",
    "NoSuchBucket": "there is no such bucket (404): make it, or correct the URL",
    "InvalidBucketName": "the bucket's name is not allowed (400): correct the URL",
    "PermanentRedirect": "the bucket is in another region (301): `dvc remote modify NAME region REGION`",
    "AuthorizationHeaderMalformed": "the bucket is in another region (400): `dvc remote modify NAME region REGION`",
    "PreconditionFailed": "another run has written it meanwhile (412): run this again",
    "ConditionalRequestConflict": "another run is writing it (409): run this again",
    "InternalError": "the server fails (500): it may be read-only or full; look at its log",
    "SlowDown": "the server is overloaded (503): try again later",
    "QuotaExceeded": "the quota is used up: make room, or ask for more",
    "XMinioStorageFull": "the server's disk is full (507): make room there",
}
STATUS = {
    301: CODES["PermanentRedirect"],
    403: "the key is refused, or may not do this (403): check the key, its secret and the bucket's policy",
    500: CODES["InternalError"],
    503: CODES["SlowDown"],
    507: CODES["XMinioStorageFull"],
}
SILENT = "nothing answers there: check the endpoint's URL, the network, and the server"
BROKEN = (
    "ConnectionClosedError", "ServerDisconnectedError", "IncompleteReadError", "ClientPayloadError", "HTTPClientError",
)  # fmt: skip
NAMES = {  # of errors, most of them botocore's and aiohttp's: neither is imported, for an S3 remote may not be in use
    "FileExistsError": "another run has written it meanwhile: run this again",
    "NoCredentialsError": "no key is set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "only half of the key is set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ProfileNotFound": "the profile is not in ~/.aws/config: correct AWS_PROFILE or `dvc remote modify NAME profile`",
    **dict.fromkeys(("EndpointConnectionError", "ClientConnectorError"), SILENT),
    "ConnectTimeoutError": "nothing answers in time: check the endpoint's URL, the network, and the server",
    "ReadTimeoutError": "the server stopped answering: try again; `dvc remote modify NAME read_timeout SECONDS`",
    **dict.fromkeys(BROKEN, "the server broke off: try again"),
    "FlexibleChecksumError": "the bytes came damaged: try again; `stemma verify` hashes what is there",
    "FSTimeoutError": "the server stopped answering: try again",
    "SSLError": "its certificate is not trusted, or it does not speak HTTPS: `dvc remote modify NAME ssl_verify FILE`",
    "ResponseParserError": NO_SERVER,
    "RemoteMissingDepsError": 'a package is missing: pip install -c requirements.lock -e ".[s3]"',
    "RemoteConfigError": "objects cannot be looked up in a remote with version_aware or worktree: choose another one",
}


LIBRARIES = ("botocore", "aiohttp", "dvc", "sqlite3")  # whose other errors are a storage's too


@contextmanager
def told(place: str) -> Iterator[None]:
    """Turn what a storage raises into a VersionError, one line that begins with the place."""
    try:
        yield
    except (StemmaError, KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        why = explained(error)
        if why is None:
            raise
        raise VersionError(f"{place}: {why}") from error


def explained(error: BaseException) -> str | None:
    """What is wrong and what to do; None where it is no storage's error."""
    chain = list(_chain(error))
    for each in chain:
        answer = _answer(each)
        if answer is not None:
            return answer
    for each in chain:
        names = [kind.__name__ for kind in type(each).__mro__]
        found = next((NAMES[name] for name in names if name in NAMES), None)
        if found is not None:
            return found
    for each in chain:
        if isinstance(each, OSError) and each.errno in NUMBERS:
            return NUMBERS[each.errno]
    known = isinstance(error, OSError) or type(error).__module__.split(".")[0] in LIBRARIES
    return in_one_line(error) if known else None


def code(error: BaseException) -> str | None:
    """The code of S3's answer, such as NoSuchBucket; None where the error holds no answer."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        if isinstance(response, dict) and "Error" in response:
            return str(response["Error"].get("Code"))
    return None


def is_without_bucket(error: BaseException) -> bool:
    """Whether a file is not there because its bucket is not: s3fs raises the same for both."""
    return code(error) == "NoSuchBucket"


def _answer(error: BaseException) -> str | None:
    response = getattr(error, "response", None)
    if not isinstance(response, dict) or "Error" not in response:
        return None
    known = CODES.get(str(response["Error"].get("Code")))
    if known is not None:
        return known
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status in STATUS:
        return STATUS[status]
    said = re.sub(r"\s+", " ", str(response["Error"].get("Message") or response["Error"].get("Code")))
    return f"the server answers {status}: {said:.160}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
