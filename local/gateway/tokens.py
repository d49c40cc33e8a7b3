"""Verifies JSON Web Tokens as the JWT authorizers of HTTP APIs do.

It follows "Control access to HTTP APIs with JWT authorizers" in the API Gateway Developer Guide:
the issuer's discovery document names its keys, which are cached for two hours.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

import jwt

DISCOVERY_PATH = ".well-known/openid-configuration"
KEYS_CACHE_SECONDS = 7200
TIMEOUT_SECONDS = 5
ALGORITHMS = ("RS256", "RS384", "RS512")
"""API Gateway supports only RSA."""


class InvalidToken(Exception):
    """A token that is not accepted. The message says why."""


class TokenVerifier:
    """Verifies the tokens of one issuer for the given audiences. Thread-safe."""

    def __init__(self, issuer: str, audiences: Iterable[str]) -> None:
        self._issuer = issuer
        self._audiences = frozenset(audiences)
        self._keys = _IssuerKeys(issuer)

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token. Raises InvalidToken."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise InvalidToken("the token cannot be decoded") from error
        if header.get("alg") not in ALGORITHMS:
            raise InvalidToken("the token's signing algorithm is not supported")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._keys.get(header.get("kid")),
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                options={"require": ["exp", "iss"], "verify_aud": False, "verify_sub": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("the token has expired") from error
        except jwt.ImmatureSignatureError as error:
            raise InvalidToken("the token is not valid yet") from error
        except jwt.InvalidIssuerError as error:
            raise InvalidToken("the token does not have a valid issuer") from error
        except jwt.InvalidSignatureError as error:
            raise InvalidToken("the token's signature is not valid") from error
        except jwt.InvalidTokenError as error:
            raise InvalidToken(f"the token is not valid: {error}") from error
        audience = claims.get("aud", claims.get("client_id"))
        if self._audiences.isdisjoint(audience if isinstance(audience, list) else [audience]):
            raise InvalidToken("the token does not have a valid audience")
        return claims


class _IssuerKeys:
    """The issuer's public keys by ID, cached."""

    def __init__(self, issuer: str) -> None:
        self._url = f"{issuer.rstrip('/')}/{DISCOVERY_PATH}"
        # Created here, because it iterates over os.environ, which fails while a thread changes it.
        self._opener = urllib.request.build_opener()
        self._keys: dict[str | None, Any] = {}
        self._expires = 0.0
        self._lock = threading.Lock()

    def get(self, key_id: str | None) -> Any:
        """Return a key. Fetch the keys again if it is unknown. Raises InvalidToken."""
        with self._lock:
            if key_id not in self._keys or time.monotonic() >= self._expires:
                try:
                    keys = jwt.PyJWKSet.from_dict(self._fetch(self._fetch(self._url)["jwks_uri"]))
                except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
                    raise InvalidToken("the issuer's keys cannot be fetched") from error
                self._keys = {key.key_id: key.key for key in keys.keys}
                self._expires = time.monotonic() + KEYS_CACHE_SECONDS
            if key_id not in self._keys:
                raise InvalidToken("the issuer has no key with the token's kid")
            return self._keys[key_id]

    def _fetch(self, url: str) -> Any:
        with self._opener.open(url, timeout=TIMEOUT_SECONDS) as response:
            return json.load(response)


def as_strings(claims: Mapping[str, Any]) -> dict[str, str]:
    """Convert claims to strings, as API Gateway does. A list is in brackets, without commas."""
    return {name: _text(value) for name, value in claims.items()}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(_text(item) for item in value)}]"
    return value if isinstance(value, str) else json.dumps(value)
