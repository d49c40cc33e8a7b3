"""Signatures of botocore are accepted, and changed requests refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.identities import AccessKey
from local.gateway.request import RawRequest
from local.gateway.sigv4 import InvalidSignature, verify_signature

REGION = "eu-central-1"
HOST = "http://127.0.0.1:8701"
ANN = AccessKey("AKIAANN", "ann's secret", "AIDAANN", "arn:aws:iam::123456789012:user/ann")
SESSION = replace(
    ANN,
    access_key_id="ASIAROLE",
    session_token="token",
    expires=datetime.now(UTC) + timedelta(hours=1),
)
OLD_SESSION = replace(
    SESSION, access_key_id="ASIAOLD", expires=datetime.now(UTC) - timedelta(seconds=1)
)
KEYS = {key.access_key_id: key for key in (ANN, SESSION, OLD_SESSION)}


def signed(
    method: str = "GET",
    target: str = "/zip-jobs",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    key: AccessKey = ANN,
    service: str = "execute-api",
    region: str = REGION,
    presign: bool = False,
) -> RawRequest:
    """Return a request as botocore signs and sends it."""
    request = AWSRequest(method, HOST + target, dict(headers or {}), body)
    credentials = Credentials(key.access_key_id, key.secret, key.session_token)
    if presign:
        SigV4QueryAuth(credentials, service, region, expires=60).add_auth(request)
    else:
        SigV4Auth(credentials, service, region).add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    lower = {name.lower(): str(value) for name, value in prepared.headers.items()}
    return RawRequest(method, parts.path, parts.query, {"host": parts.netloc, **lower}, body)


def signer(request: RawRequest, after: timedelta = timedelta()) -> AccessKey:
    return verify_signature(request, REGION, KEYS.get, datetime.now(UTC) + after)


values = st.text(st.characters(codec="utf-8"), max_size=8)
segments = values.filter(lambda text: text not in ("", ".", ".."))


@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    path=st.lists(segments, max_size=3),
    query=st.lists(st.tuples(segments, values), max_size=4),
    body=st.binary(max_size=64),
    note=st.text("ab \t", max_size=9),
    presign=st.booleans(),
)
def test_requests_signed_by_botocore_are_accepted(
    method: str,
    path: list[str],
    query: list[tuple[str, str]],
    body: bytes,
    note: str,
    presign: bool,
) -> None:
    # botocore sends a query in the order and the encoding in which it gets it, and signs it so.
    encoded = sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in query)
    target = "/" + "/".join(quote(part, safe="") for part in path)
    if encoded:
        target += "?" + "&".join(f"{name}={value}" for name, value in encoded)
    headers = {"x-note": f"a {note} b"}
    if presign:
        body = b""  # botocore would put it into the query
    assert signer(signed(method, target, body, headers, presign=presign)) == ANN


@pytest.mark.parametrize("presign", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"path": "/zip-jobs/other"},
        {"query": "limit=2"},
        {"body": b'{"keys": ["b"]}'},
    ],
)
def test_request_changed_after_signing_is_refused(change: dict[str, object], presign: bool) -> None:
    body = b"" if presign else b'{"keys": ["a"]}'
    request = signed("POST", "/zip-jobs?limit=1", body, presign=presign)
    if presign and "query" in change:
        change = {"query": request.query.replace("limit=1", "limit=2")}
    with pytest.raises(InvalidSignature, match="calculated does not match"):
        signer(replace(request, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["host", "x-amz-date", "idempotency-key"])
def test_changed_signed_header_is_refused(name: str) -> None:
    request = signed(headers={"idempotency-key": "one"})
    other = {"x-amz-date": f"{request.headers['x-amz-date'][:-3]}59Z"}.get(name, "other")
    headers = {**request.headers, name: other}
    if headers != request.headers:
        with pytest.raises(InvalidSignature):
            signer(replace(request, headers=headers))


def test_unsigned_header_can_be_added() -> None:
    request = signed()
    assert signer(replace(request, headers={**request.headers, "via": "1.1 proxy"})) == ANN


def test_an_unsigned_body_is_refused() -> None:
    headers = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    with pytest.raises(InvalidSignature, match="does not match"):
        signer(signed("POST", body=b"{}", headers=headers))


def test_wrong_secret_is_refused() -> None:
    with pytest.raises(InvalidSignature, match="does not match"):
        signer(signed(key=replace(ANN, secret="guessed")))


def test_unknown_access_key_is_refused() -> None:
    with pytest.raises(InvalidSignature, match="security token .* invalid"):
        signer(signed(key=replace(ANN, access_key_id="AKIANOBODY")))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (RawRequest("GET", "/", "", {}, b""), "Missing Authentication Token"),
        (RawRequest("GET", "/", "", {"authorization": "Bearer x"}, b""), "requires 'Credential'"),
        (signed(service="s3"), "correct service: 'execute-api'"),
        (signed(region="us-east-1"), "valid region: 'eu-central-1'"),
    ],
)
def test_missing_signature_or_wrong_scope_is_refused(request_: RawRequest, message: str) -> None:
    with pytest.raises(InvalidSignature, match=message):
        signer(request_)


@pytest.mark.parametrize("name", ["X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires"])
def test_incomplete_presigned_url_is_refused(name: str) -> None:
    request = signed(presign=True)
    query = request.query.replace(name, "X-Other")
    with pytest.raises(InvalidSignature, match="AWS query-string parameters must include"):
        signer(replace(request, query=query))


@pytest.mark.parametrize("expires", ["604801", "-1", "soon"])
def test_presigned_url_expires_within_a_week(expires: str) -> None:
    request = signed(presign=True)
    query = request.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")
    with pytest.raises(InvalidSignature, match="X-Amz-Expires"):
        signer(replace(request, query=query))


def test_invalid_date_is_refused() -> None:
    request = signed()
    day = request.headers["x-amz-date"][:8]
    with pytest.raises(InvalidSignature, match="ISO-8601"):
        signer(replace(request, headers={**request.headers, "x-amz-date": f"{day}, noon"}))


def test_host_header_must_be_signed() -> None:
    request = signed()
    authorization = request.headers["authorization"].replace("host;", "")
    with pytest.raises(InvalidSignature, match="Host"):
        signer(replace(request, headers={**request.headers, "authorization": authorization}))


@pytest.mark.parametrize(
    ("presign", "minutes", "message"),
    [
        (False, 4, None),
        (False, -4, None),
        (False, 6, r"Signature expired: .* - 5 min\."),
        (False, -6, "Signature not yet current"),
        (True, 0, None),
        (True, 2, "Signature expired"),
        (True, -6, "Signature not yet current"),
    ],
)
def test_signature_expires(presign: bool, minutes: int, message: str | None) -> None:
    request = signed(presign=presign)
    if message is None:
        assert signer(request, timedelta(minutes=minutes)) == ANN
    else:
        with pytest.raises(InvalidSignature, match=message):
            signer(request, timedelta(minutes=minutes))


@pytest.mark.parametrize("presign", [False, True])
def test_temporary_credentials_need_their_token_and_expire(presign: bool) -> None:
    assert signer(signed(key=SESSION, presign=presign)) == SESSION
    for token in (None, "another"):
        with pytest.raises(InvalidSignature, match="invalid"):
            signer(signed(key=replace(SESSION, session_token=token), presign=presign))
    with pytest.raises(InvalidSignature, match="expired"):
        signer(signed(key=OLD_SESSION, presign=presign))


def test_user_key_with_a_token_is_refused() -> None:
    with pytest.raises(InvalidSignature, match="invalid"):
        signer(signed(key=replace(ANN, session_token="token")))
