"""The rules that a fault plan is made of: what each strikes, how often, and what it does."""

from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any, Literal, Self

import botocore.session
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from local.aws_requests import CLIENT, S3_OPERATIONS, AwsRequest

FUNCTIONS = "functions"
"""As ``caller``: every function."""

EFFECTS = ("error", "reset", "cut", "stall", "latency", "kill", "timeout")
WITH_A_WHEN = ("error", "reset", "kill", "timeout")

Service = Literal["s3", "dynamodb", "sqs", "events", "sts", "iam", "logs", "lambda"]
Probability = Annotated[float, Field(gt=0, le=1)]
Ordinals = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, int) else value),
]
"""One number, or several: counted from 1."""


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorAnswer(_Rule):
    """An error of AWS: ``code`` as its clients see it. S3 also sends errors with status 200."""

    code: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9.]*$")
    status: int = Field(ge=200, le=599)


class Stall(_Rule):
    """A body that pauses for ``seconds`` when ``after`` bytes of it are sent."""

    after: int = Field(default=0, ge=0)
    seconds: float = Field(gt=0)


class Delay(_Rule):
    """A delivery that comes ``seconds`` late."""

    probability: Probability = 1.0
    seconds: float = Field(gt=0)


class RequestFault(_Rule):
    """Something that goes wrong with requests to AWS.

    ``operation``, ``key`` and ``caller`` are globs, whose ``*`` matches slashes too. Without
    ``probability`` and ``nth`` every request that matches is struck, ``times`` at the most.
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
    error: ErrorAnswer | None = None
    reset: Literal[True] | None = None
    cut: int | None = Field(default=None, ge=0)
    stall: Stall | None = None
    latency: float | None = Field(default=None, gt=0)
    kill: Literal[True] | None = None
    timeout: Literal[True] | None = None

    @model_validator(mode="after")
    def _is_one_fault(self) -> Self:
        effects = self._effects()
        if len(effects) != 1:
            found = " and ".join(effects) or "none"
            raise ValueError(f"takes exactly one of {', '.join(EFFECTS)}; it has {found}")
        if self.probability is not None and self.nth is not None:
            raise ValueError("takes probability or nth, not both")
        if self.per == "invocation" and self.nth is None:
            raise ValueError("per says what nth counts in; there is no nth")
        if self.when == "after" and self.effect not in WITH_A_WHEN:
            raise ValueError(f"when: after goes with {', '.join(WITH_A_WHEN)} only")
        if self.strikes_processes and self.caller == CLIENT:
            raise ValueError(f"{self.effect} strikes functions; {CLIENT} is none")
        return self

    @model_validator(mode="after")
    def _names_an_operation(self) -> Self:
        if self.service is None:
            return self
        known = _operations(self.service)
        if not any(fnmatchcase(name, self.operation) for name in known):
            raise ValueError(
                f"operation {self.operation!r} is none of {self.service}'s: {', '.join(known)}"
            )
        return self

    @property
    def effect(self) -> str:
        """Which of ``EFFECTS`` it is."""
        return self._effects()[0]

    @property
    def strikes_processes(self) -> bool:
        """Whether it ends the process of a function."""
        return self.effect in ("kill", "timeout")

    def matches(self, request: AwsRequest) -> bool:
        """Whether the request is one of those that this rule is about."""
        return (
            self.service in (None, request.service)
            and fnmatchcase(request.operation, self.operation)
            and fnmatchcase(request.key, self.key)
            and self._matches_caller(request.caller)
            and (self.invocation is None or request.invocation in self.invocation)
        )

    def _matches_caller(self, caller: str) -> bool:
        if caller == CLIENT and (self.caller == FUNCTIONS or self.strikes_processes):
            return False
        return self.caller == FUNCTIONS or fnmatchcase(caller, self.caller)

    def _effects(self) -> list[str]:
        return [name for name in EFFECTS if getattr(self, name) is not None]

    def __str__(self) -> str:
        effect: Any = getattr(self, self.effect)
        how = f" {effect.code} ({effect.status})" if isinstance(effect, ErrorAnswer) else ""
        after = " after its effect" if self.when == "after" else ""
        return f"{self.effect}{how}{after}"


class MessageFault(_Rule):
    """Something that happens to the deliveries of a queue. No message is lost.

    ``duplicate`` is how probable a second delivery is; with ``reorder`` each delivery is held back
    for a part of a second, so that later ones overtake it.
    """

    queue: Literal["jobs", "dead-letters"]
    duplicate: Probability | None = None
    delay: Delay | None = None
    reorder: Literal[True] | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.duplicate or self.delay or self.reorder):
            raise ValueError("takes at least one of duplicate, delay, reorder")
        return self

    def matches(self, queue: str) -> bool:
        """Whether it is about the queue of that logical name, ``<prefix>-<stack>-<queue>``."""
        return queue.endswith(f"-{self.queue}")


@cache
def _operations(service: str) -> Collection[str]:
    """What ``operation`` can match: of S3, the operations that requests are named by."""
    if service == "s3":
        return S3_OPERATIONS
    model = botocore.session.get_session().get_service_model(service)
    return tuple(model.operation_names)
