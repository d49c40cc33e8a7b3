"""Fault plans: read from YAML, invented from a seed, and written so that they can be replayed."""

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
    ErrorAnswer,
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
    """What is to go wrong. ``seed`` decides wherever there is a probability."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    faults: tuple[Fault, ...]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a plan from a YAML file. Raises LocalError."""
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise LocalError(f"The fault plan {path} cannot be read: {error}") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str = "the fault plan") -> Self:
        """Read a plan from YAML; ``name`` is what errors call it. Raises LocalError."""
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise LocalError(f"{name} is not YAML: {' '.join(str(error).split())}") from error
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise LocalError(f"{name}: {'; '.join(_mistakes(error))}.") from error

    @classmethod
    def random(cls, seed: int | None = None, rate: float = 0.05) -> Self:
        """A varied plan that strikes functions only, and with nothing that lasts.

        ``rate`` is about how probable it is that something befalls a request. Without a ``seed``
        one is drawn; the same seed makes the same plan.
        """
        if seed is None:
            seed = random.randrange(SEEDS)  # noqa: S311  (no secret)
        return cls(seed=seed, faults=tuple(_invent(random.Random(seed), rate)))  # noqa: S311

    def to_yaml(self) -> str:
        """The plan as ``load`` reads it."""
        faults = [fault.model_dump(mode="json", exclude_defaults=True) for fault in self.faults]
        content = {"seed": self.seed, "faults": faults}
        return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)


_MODELS: dict[str, type[BaseModel]] = {
    "": FaultPlan,
    "request": RequestFault,
    "message": MessageFault,
    "error": ErrorAnswer,
    "stall": Stall,
    "delay": Delay,
}
"""By the part of a mistake's place that names the model."""


def _mistakes(error: ValidationError) -> Iterator[str]:
    """Each mistake, with its place as ``faults[2].error.status``, and what may stand there."""
    for mistake in error.errors():
        path = [str(part) for part in mistake["loc"]]
        shown = [part for part in path if part not in ("request", "message")]
        place = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in shown)
        place = place.lstrip(".") or "the plan"
        if mistake["type"] == "extra_forbidden":
            fields = _MODELS[path[-2] if len(path) > 1 else ""].model_fields
            yield f"{place} is unknown; it may be one of {', '.join(fields)}"
        elif mistake["type"] in ("model_type", "model_attributes_type"):
            fields = _MODELS[path[-1] if path else ""].model_fields
            yield f"{place} takes the fields {', '.join(fields)}"
        elif mistake["type"] == "value_error":
            yield f"{place}: {mistake['ctx']['error']}"
        else:
            yield f"{place}: {mistake['msg']}"


def _invent(chance: random.Random, rate: float) -> Iterator[RequestFault | MessageFault]:
    """A rule or two for whatever a function asks for, and some for the queue."""

    def rule(service: str, operation: str, share: float = 1.0, **effect: Any) -> RequestFault:
        probability = min(1.0, rate * share * chance.uniform(0.5, 1.5))
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
        {"cut": int(10 ** chance.uniform(0, 6))},
        {"stall": {"after": int(10 ** chance.uniform(0, 6)), "seconds": _seconds(chance)}},
        {"latency": _seconds(chance)},
        {"reset": True},
        {"error": {"code": "InternalError", "status": 500}},
    ]
    yield rule("s3", "*Object*", 0.4, error={"code": "SlowDown", "status": 503})
    for effect in chance.sample(reads, 3):
        yield rule("s3", "GetObject", 0.4, **effect)
    for operation in chance.sample(_WRITES, 4):
        yield rule("s3", operation, **chance.choice(_LOST))
    for service, errors in _TROUBLES.items():
        code, status = chance.choice(errors)
        yield rule(service, "*", 0.6, error={"code": code, "status": status})
        yield rule(service, "*", 0.4, **chance.choice(_LOST[1:]))
    end = chance.choice(["kill", "kill", "timeout"])
    when = chance.choice(["before", "after"])
    nth = chance.randint(2, 60)
    yield RequestFault.model_validate({"caller": "zipper", "nth": nth, "when": when, end: True})
    yield MessageFault.model_validate(
        {
            "queue": "jobs",
            "duplicate": min(1.0, 4 * rate),
            "delay": {"probability": min(1.0, 4 * rate), "seconds": _seconds(chance)},
            **({"reorder": True} if chance.random() < 0.5 else {}),
        }
    )


_WRITES = (
    *("CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"),
    *("PutObject", "DeleteObject*", "ListObjectsV2"),
)
_LOST: tuple[dict[str, Any], ...] = (
    {"error": {"code": "SlowDown", "status": 503}},
    {"reset": True},
    {"reset": True, "when": "after"},
)
_TROUBLES = {
    "dynamodb": [("ProvisionedThroughputExceededException", 400), ("InternalServerError", 500)],
    "sqs": [("RequestThrottled", 400), ("ServiceUnavailable", 503)],
    "events": [("ThrottlingException", 400), ("InternalException", 500)],
}


def _seconds(chance: random.Random) -> float:
    return round(chance.uniform(0.1, 1.5), 2)
