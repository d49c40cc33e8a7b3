"""What the program declares and moto only stores. Other packages emulate it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class DeclaredFunction:
    """A Lambda function."""

    name: str
    handler: str
    role_arn: str
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]
    log_group: str
    log_format: str = "Text"
    code: Path = ROOT
    """The folder with the packages ``handlers`` and ``zipjobs``."""

    @property
    def short_name(self) -> str:
        """A readable name: ``dead-letter`` for the handler ``handlers.dead_letter.handler``."""
        return self.handler.split(".")[-2].replace("_", "-")


@dataclass(frozen=True)
class DeclaredMapping:
    """An event source mapping from a queue to a function."""

    function_name: str
    queue_arn: str
    batch_size: int
    maximum_concurrency: int
    reports_item_failures: bool
    is_provisioned: bool = False
    """Its pollers are always ready."""


@dataclass(frozen=True)
class ScheduledRule:
    """An EventBridge rule with a schedule."""

    arn: str
    period_seconds: float


@dataclass(frozen=True)
class DeclaredTarget:
    """A function as the target of a scheduled rule; ``rule`` is its name."""

    rule: str
    function_name: str
    input: str | None = None


@dataclass(frozen=True)
class DeclaredSchedule:
    """A function that an EventBridge rule invokes every ``period_seconds``.

    ``input`` is the event as JSON. Without it, the function gets EventBridge's own event.
    """

    rule_arn: str
    function_name: str
    period_seconds: float
    input: str | None = None


@dataclass(frozen=True)
class DeclaredRoute:
    """A route of the HTTP API; ``target`` is ``integrations/<id>``."""

    route_key: str
    target: str
    authorization_type: str
    authorizer_id: str | None = None


@dataclass(frozen=True)
class DeclaredAuthorizer:
    """A JWT authorizer."""

    issuer: str
    audiences: tuple[str, ...]


@dataclass(frozen=True)
class DeclaredCors:
    """The CORS configuration of the API."""

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...]
    allow_headers: tuple[str, ...]
    expose_headers: tuple[str, ...]
    max_age_seconds: int


@dataclass
class Declarations:
    """Everything to emulate: functions and rules by name, everything else by ID."""

    functions: dict[str, DeclaredFunction] = field(default_factory=dict)
    mappings: dict[str, DeclaredMapping] = field(default_factory=dict)
    scheduled_rules: dict[str, ScheduledRule] = field(default_factory=dict)
    scheduled_targets: dict[str, DeclaredTarget] = field(default_factory=dict)
    routes: dict[str, DeclaredRoute] = field(default_factory=dict)
    integrations: dict[str, str] = field(default_factory=dict)
    """The names of functions."""
    authorizers: dict[str, DeclaredAuthorizer] = field(default_factory=dict)
    cors: DeclaredCors | None = None
    execution_arn: str = ""
    """The ARN of the API. The ARNs of its routes begin with it."""

    def snapshot(self) -> "Declarations":
        """Return a copy that other threads do not change."""
        copy = Declarations()
        for each in fields(self):
            value = getattr(self, each.name)
            setattr(copy, each.name, dict(value) if isinstance(value, dict) else value)
        return copy

    @property
    def schedules(self) -> dict[str, DeclaredSchedule]:
        """The schedules, by target ID."""
        return {
            target_id: DeclaredSchedule(
                self.scheduled_rules[target.rule].arn,
                target.function_name,
                self.scheduled_rules[target.rule].period_seconds,
                target.input,
            )
            for target_id, target in self.scheduled_targets.items()
        }
