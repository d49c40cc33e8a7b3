"""The runtime, architecture and package of all functions. ``tools.package`` builds the package."""

from pathlib import Path

RUNTIME = "python3.13"
ARCHITECTURE = "arm64"
PACKAGE_ZIP = Path(__file__).resolve().parents[2] / "build" / "lambda.zip"
