"""An issuer of JSON Web Tokens: a key pair, and an HTTPS server that publishes the public key."""

import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

LOOPBACK = "127.0.0.1"
KEY_ID = "first"
AUDIENCE = "zip-jobs"


def new_key() -> rsa.RSAPrivateKey:
    """Return a new private key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """An issuer. Clients must trust ``certificate``, for example with SSL_CERT_FILE."""

    url: str
    certificate: Path
    key: rsa.RSAPrivateKey = field(default_factory=new_key)
    requested_paths: list[str] = field(default_factory=list)

    def token(
        self, key: Any = None, kid: str = KEY_ID, algorithm: str = "RS256", **claims: Any
    ) -> str:
        """Return a valid token. ``claims`` override its claims; None removes a claim."""
        now = int(time.time())
        valid = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 300}
        return jwt.encode(
            {name: value for name, value in {**valid, **claims}.items() if value is not None},
            self.key if key is None else key,
            algorithm,
            {"kid": kid},
        )

    def document(self, path: str) -> Any:
        """Return the document at ``path``, or None for 404."""
        self.requested_paths.append(path)
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
            },
            "/keys": {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]},
        }.get(path)


@contextmanager
def running_issuer(folder: Path) -> Iterator[Issuer]:
    """Run an issuer on loopback and write its certificate to ``folder``."""
    certificate = folder / "issuer.pem"
    server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificate(certificate))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    _Handler.issuer = issuer = Issuer(f"https://{LOOPBACK}:{server.server_port}", certificate)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        document = self.issuer.document(self.path)
        body = json.dumps(document).encode()
        self.send_response(404 if document is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in the base class)
        pass


def _certificate(path: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for loopback. Return the paths of certificate and key."""
    key = new_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, LOOPBACK)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path = path.with_suffix(".key")
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path, key_path
