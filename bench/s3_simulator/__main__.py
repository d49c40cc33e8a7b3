"""Run the S3 simulator until stdin ends: ``python -m bench.s3_simulator``."""

import argparse
import asyncio
import ssl
import sys
from pathlib import Path

from bench.s3_simulator.http import Connection
from bench.s3_simulator.profiles import PROFILES, Profile
from bench.s3_simulator.service import Service
from bench.s3_simulator.state import State


async def serve(profile: Profile, tls: tuple[Path, Path] | None) -> None:
    """Listen on a free loopback port until stdin ends. Print the URL on stdout."""
    loop = asyncio.get_running_loop()
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    state = State(profile)
    server = await loop.create_server(
        lambda: Connection(state, Service(state).respond), "127.0.0.1", 0, ssl=context, backlog=1024
    )
    scheme, port = ("https" if tls else "http"), server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{scheme}://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Parse the command line and run the simulator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="default")
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    options = parser.parse_args()
    tls = (options.certificate, options.key) if options.certificate else None
    asyncio.run(serve(PROFILES[options.profile], tls))


if __name__ == "__main__":
    main()
