"""AWS prices in US dollars, for the dashboard's estimate.

They come from ``zipjobs/worker/prices.json``, which also says for which region and date.
"""

import json
from pathlib import Path

_TABLE = json.loads((Path(__file__).parents[2] / "zipjobs" / "worker" / "prices.json").read_text())

PER_GB_SECOND: float = _TABLE["lambda"]["gbSecond"]
PER_INVOCATION: float = _TABLE["lambda"]["invocation"]

PER_GET: float = _TABLE["s3"]["read"]
PER_PUT: float = _TABLE["s3"]["write"]
"""The price of copying a part, too."""

PER_SQS_REQUEST: float = _TABLE["sqs"]["request"]

PER_READ_UNIT: float = _TABLE["dynamodb"]["readUnit"]
PER_WRITE_UNIT: float = _TABLE["dynamodb"]["writeUnit"]

PER_API_REQUEST: float = _TABLE["apigateway"]["request"]

PER_EVENT: float = _TABLE["events"]["event"]
