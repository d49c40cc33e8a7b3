"""The rules of a fault plan: which requests or messages fail, how often, and how."""

from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any, Literal, Self

import botocore.session
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from local.aws_requests import CLIENT, S3_OPERATIONS, AwsRequest

FUNCTIONS = "functions"
"""A ``caller`` that matches every function."""

EFFECTS = ("error", "reset", "cut", "stall", "latency", "kill", "timeout")
EFFECTS_WITH_WHEN = ("error", "reset", "kill", "timeout")

Service = Literal["s3", "dynamodb", "sqs", "events", "sts", "iam", "logs", "lambda"]
Probability = Annotated[float, Field(gt=0, le=1)]
Ordinals = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, int) else value),
]
"""One number or several, counted from 1."""


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorResponse(_Rule):
    """An AWS error. ``code`` is what clients report. S3 also sends errors with status 200."""

    code: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9.]*$")
    status: int = Field(ge=200, le=599)


class Stall(_Rule):
    """A pause of ``seconds`` after the first ``after`` bytes of a body."""

    after: int = Field(default=0, ge=0)
    seconds: float = Field(gt=0)


class Delay(_Rule):
    """A delivery that is ``seconds`` late."""

    probability: Probability = 1.0
    seconds: float = Field(gt=0)


class RequestFault(_Rule):
    """A fault of requests to AWS.

    ``operation``, ``key`` and ``caller`` are globs; their ``*`` also matches slashes. Without
    ``probability`` and ``nth``, each matching request fails, at most ``times`` of them.
    """

    service: Service | None = None
    operation: str = "*"
    key: str = "*"
    caller: str = "*"
    invocation: Ordinals | None = None
    probability: Probability | None = None
    nth: Ordinals | None = None
    per: Literal["plan", "invocation"] = "plan"
    times: int | None = Field(default=None, ge=1)
    when: Literal["before", "after"] = "before"
    error: ErrorResponse | None = None
    reset: Literal[True] | None = None
    cut: int | None = Field(default=None, ge=0)
    stall: Stall | None = None
    latency: float | None = Field(default=None, gt=0)
    kill: Literal[True] | None = None
    timeout: Literal[True] | None = None

    @model_validator(mode="after")
    def _has_one_effect(self) -> Self:
        effects = self._effects()
        if len(effects) != 1:
            given = " and ".join(effects) or "none"
            raise ValueError(f"must have exactly one of {', '.join(EFFECTS)}, but has {given}")
        if self.probability is not None and self.nth is not None:
            raise ValueError("has probability and nth. Use one of them")
        if self.per == "invocation" and self.nth is None:
            raise ValueError("per: invocation needs nth")
        if self.when == "after" and self.effect not in EFFECTS_WITH_WHEN:
            raise ValueError(f"when: after needs one of {', '.join(EFFECTS_WITH_WHEN)}")
        if self.ends_process and self.caller == CLIENT:
            raise ValueError(f"{self.effect} applies to functions, and {CLIENT} is not a function")
        return self

    @model_validator(mode="after")
    def _operation_exists(self) -> Self:
        if self.service is None:
            return self
        operations = _operations(self.service)
        if not any(fnmatchcase(name, self.operation) for name in operations):
            raise ValueError(
                f"operation {self.operation!r} matches no operation of {self.service}: "
                f"{', '.join(operations)}"
            )
        return self

    @property
    def effect(self) -> str:
        """One of ``EFFECTS``."""
        return self._effects()[0]

    @property
    def ends_process(self) -> bool:
        """Whether the fault ends a function's process."""
        return self.effect in ("kill", "timeout")

    def matches(self, request: AwsRequest) -> bool:
        """Return whether the rule applies to ``request``."""
        return (
            self.service in (None, request.service)
            and fnmatchcase(request.operation, self.operation)
            and fnmatchcase(request.key, self.key)
            and self._matches_caller(request.caller)
            and (self.invocation is None or request.invocation in self.invocation)
        )

    def _matches_caller(self, caller: str) -> bool:
        if caller == CLIENT and (self.caller == FUNCTIONS or self.ends_process):
            return False
        return self.caller == FUNCTIONS or fnmatchcase(caller, self.caller)

    def _effects(self) -> list[str]:
        return [name for name in EFFECTS if getattr(self, name) is not None]

    def __str__(self) -> str:
        effect: Any = getattr(self, self.effect)
        error = f" {effect.code} ({effect.status})" if isinstance(effect, ErrorResponse) else ""
        after = " after its effect" if self.when == "after" else ""
        return f"{self.effect}{error}{after}"


class MessageFault(_Rule):
    """A fault of a queue's deliveries. No message is lost.

    ``duplicate`` is the probability of a second delivery. ``reorder`` delays each delivery by up to
    a second, so that later ones overtake it.
    """

    queue: Literal["jobs", "dead-letters"]
    duplicate: Probability | None = None
    delay: Delay | None = None
    reorder: Literal[True] | None = None

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        if not (self.duplicate or self.delay or self.reorder):
            raise ValueError("must have at least one of duplicate, delay, reorder")
        return self

    def matches(self, queue: str) -> bool:
        """Return whether the rule applies to a queue named ``<prefix>-<stack>-<queue>``."""
        return queue.endswith(f"-{self.queue}")


@cache
def _operations(service: str) -> Collection[str]:
    """Return the operations that ``operation`` can match; for S3, those that have a name here."""
    if service == "s3":
        return S3_OPERATIONS
    model = botocore.session.get_session().get_service_model(service)
    return tuple(model.operation_names)
