"""Fault plans: read from YAML, or generated from a seed, and written for a replay."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Tag, ValidationError

from local.errors import LocalError
from local.faults.rules import (
    FUNCTIONS,
    Delay,
    ErrorResponse,
    MessageFault,
    RequestFault,
    Stall,
)

SEEDS = 1_000_000


def _kind(value: Any) -> str:
    is_message = isinstance(value, MessageFault) or (isinstance(value, dict) and "queue" in value)
    return "message" if is_message else "request"


Fault = Annotated[
    Annotated[RequestFault, Tag("request")] | Annotated[MessageFault, Tag("message")],
    Discriminator(_kind),
]


class FaultPlan(BaseModel):
    """The faults to inject. ``seed`` determines every random decision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    faults: tuple[Fault, ...]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a plan from a YAML file. Raises LocalError."""
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise LocalError(f"Cannot read the fault plan {path}: {error}") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str = "the fault plan") -> Self:
        """Read a plan from YAML. ``name`` is its name in errors. Raises LocalError."""
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise LocalError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from error
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise LocalError(f"{name}: {'; '.join(_problems(error))}.") from error

    @classmethod
    def random(cls, seed: int | None = None, rate: float = 0.05) -> Self:
        """Return a varied plan whose faults affect functions only, and are all temporary.

        ``rate`` is roughly the probability that a request fails. The same ``seed`` gives the same
        plan; without one, a random seed is used.
        """
        if seed is None:
            seed = random.randrange(SEEDS)  # noqa: S311  (no secret)
        return cls(seed=seed, faults=tuple(_generate(random.Random(seed), rate)))  # noqa: S311

    def to_yaml(self) -> str:
        """Return the plan as YAML that ``load`` can read."""
        faults = [fault.model_dump(mode="json", exclude_defaults=True) for fault in self.faults]
        content = {"seed": self.seed, "faults": faults}
        return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)


_MODELS: dict[str, type[BaseModel]] = {
    "": FaultPlan,
    "request": RequestFault,
    "message": MessageFault,
    "error": ErrorResponse,
    "stall": Stall,
    "delay": Delay,
}
"""The models by the last named part of a validation error's location."""


def _problems(error: ValidationError) -> Iterator[str]:
    """Yield each problem with its location, such as ``faults[2].error.status``."""
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        shown = [part for part in path if part not in ("request", "message")]
        location = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in shown)
        location = location.lstrip(".") or "the plan"
        if problem["type"] == "extra_forbidden":
            fields = _MODELS[path[-2] if len(path) > 1 else ""].model_fields
            yield f"{location} is unknown. The fields are {', '.join(fields)}"
        elif problem["type"] in ("model_type", "model_attributes_type"):
            fields = _MODELS[path[-1] if path else ""].model_fields
            yield f"{location} must be an object with the fields {', '.join(fields)}"
        elif problem["type"] == "value_error":
            yield f"{location}: {problem['ctx']['error']}"
        else:
            yield f"{location}: {problem['msg']}"


def _generate(rng: random.Random, rate: float) -> Iterator[RequestFault | MessageFault]:
    """Yield one or two rules for each service, and some for a process and the queue."""

    def rule(service: str, operation: str, share: float = 1.0, **effect: Any) -> RequestFault:
        probability = min(1.0, rate * share * rng.uniform(0.5, 1.5))
        return RequestFault.model_validate(
            {
                "service": service,
                "operation": operation,
                "caller": FUNCTIONS,
                "probability": round(probability, 4),
                **effect,
            }
        )

    reads: list[dict[str, Any]] = [
        {"cut": int(10 ** rng.uniform(0, 6))},
        {"stall": {"after": int(10 ** rng.uniform(0, 6)), "seconds": _seconds(rng)}},
        {"latency": _seconds(rng)},
        {"reset": True},
        {"error": {"code": "InternalError", "status": 500}},
    ]
    yield rule("s3", "*Object*", 0.4, error={"code": "SlowDown", "status": 503})
    for effect in rng.sample(reads, 3):
        yield rule("s3", "GetObject", 0.4, **effect)
    for operation in rng.sample(_WRITES, 4):
        yield rule("s3", operation, **rng.choice(_LOST_REQUESTS))
    for service, errors in _SERVICE_ERRORS.items():
        code, status = rng.choice(errors)
        yield rule(service, "*", 0.6, error={"code": code, "status": status})
        yield rule(service, "*", 0.4, **rng.choice(_LOST_REQUESTS[1:]))
    end = rng.choice(["kill", "kill", "timeout"])
    when = rng.choice(["before", "after"])
    nth = rng.randint(2, 60)
    yield RequestFault.model_validate({"caller": "zipper", "nth": nth, "when": when, end: True})
    yield MessageFault.model_validate(
        {
            "queue": "jobs",
            "duplicate": min(1.0, 4 * rate),
            "delay": {"probability": min(1.0, 4 * rate), "seconds": _seconds(rng)},
            **({"reorder": True} if rng.random() < 0.5 else {}),
        }
    )


_WRITES = (
    *("CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"),
    *("PutObject", "DeleteObject*", "ListObjectsV2"),
)
_LOST_REQUESTS: tuple[dict[str, Any], ...] = (
    {"error": {"code": "SlowDown", "status": 503}},
    {"reset": True},
    {"reset": True, "when": "after"},
)
_SERVICE_ERRORS = {
    "dynamodb": [("ProvisionedThroughputExceededException", 400), ("InternalServerError", 500)],
    "sqs": [("RequestThrottled", 400), ("ServiceUnavailable", 503)],
    "events": [("ThrottlingException", 400), ("InternalException", 500)],
}


def _seconds(rng: random.Random) -> float:
    return round(rng.uniform(0.1, 1.5), 2)
