"""The data plane's clients for the S3 simulator, as ``zipjobs.wiring.worker`` creates them."""

from botocore.credentials import ReadOnlyCredentials

from bench.rounds import ZipTask
from bench.s3_client import REGION
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.endpoint import Endpoint

CREDENTIALS = ReadOnlyCredentials("bench", "bench", None)


def http_client(task: ZipTask, connections: int) -> HttpClient:
    """Return a client of the simulator."""
    endpoint = Endpoint(task.endpoint_url, REGION, task.ca_bundle)
    return HttpClient(endpoint, lambda: CREDENTIALS, connections)
