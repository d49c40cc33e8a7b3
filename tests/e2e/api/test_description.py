"""The API behaves as its OpenAPI description says."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.stack import Client

ROOT = Path(__file__).parents[3]
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "25")
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")

EXCLUDED_CHECKS = ("unsupported_method", "missing_required_header", "use_after_free")
"""API Gateway returns 404, not 405, for an unknown method, and 403, not 401, for a request without
a signature. DELETE cancels a job, but does not delete it.
"""


def test_schemathesis_finds_no_deviation_from_openapi(client: Client, tmp_path: Path) -> None:
    description = tmp_path / "openapi.json"
    _, _, content = client.curl("/openapi.json")
    description.write_text(json.dumps(content))
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "run", description, "--url", client.outputs["apiUrl"]),
            *("--max-examples", EXAMPLES, "--seed", SEED, "--continue-on-failure"),
            *("--exclude-checks", ",".join(EXCLUDED_CHECKS), "--no-color"),
        ],
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": client.outputs["region"],
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.e2e.api.schemathesis_hooks",
            "COLUMNS": "100",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)  # noqa: T201
    assert done.returncode == 0, done.stdout + done.stderr
