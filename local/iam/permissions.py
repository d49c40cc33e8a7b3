"""Decides by moto's policies which principal may do what, and logs each denial."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from local.iam.evaluation import Access, Decision, Principal, decide
from local.iam.kms_actions import kms_accesses
from local.iam.policy import parse_policy
from local.iam.policy_store import PolicyStore
from local.runtime.execution import LogSink


@dataclass(frozen=True)
class Evaluation:
    """The decision about one access that ``request`` requires."""

    principal: Principal
    request: str
    access: Access
    allowed: bool


class Permissions:
    """The permissions of all principals in one account. Denials go to ``log``. Thread-safe.

    ``on_evaluation`` is called with each decision.
    """

    def __init__(self, account: str, log: LogSink) -> None:
        self.account = account
        self.policy_store = PolicyStore(account)
        self.on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None
        self._log = log

    def check(self) -> None:
        """Parse every policy. Raises PolicyError for one that cannot be evaluated here."""
        for document in self.policy_store.documents():
            parse_policy(document.text, document.kind)

    def denial(self, principal: Principal, request: str, accesses: Sequence[Access]) -> str | None:
        """Return AWS's message for a denied request, or None if all of ``accesses`` are allowed.

        The accesses to KMS keys that they require are checked too. Raises PolicyError.
        """
        for access in self._with_kms_accesses(request, accesses):
            decision = self.evaluate(principal, request, access)
            if not decision.allowed:
                return self._log_denial(
                    principal, f"{access.action} on resource: {access.resource} {decision.reason}"
                )
        return None

    def is_allowed(self, principal: Principal, request: str, access: Access) -> bool:
        """Return whether ``access`` is allowed; log it if not. Raises PolicyError."""
        return self.denial(principal, request, [access]) is None

    def evaluate(self, principal: Principal, request: str, access: Access) -> Decision:
        """Evaluate one access, and log nothing. Raises PolicyError."""
        decision = decide(access, principal, self.policy_store.applicable(access, principal))
        self.on_evaluation(Evaluation(principal, request, access, decision.allowed))
        return decision

    def refuse(self, principal: Principal, request: str, reason: str) -> str:
        """Log that ``request`` is refused whatever the policies say. Return the message."""
        return self._log_denial(principal, f"{request}, {reason}")

    def _with_kms_accesses(self, request: str, accesses: Sequence[Access]) -> Iterator[Access]:
        for access in accesses:
            yield access
            if key := self.policy_store.kms_key(access.resource):
                yield from kms_accesses(access, request, key)

    def _log_denial(self, principal: Principal, denied: str) -> str:
        message = f"User: {principal} is not authorized to perform: {denied}"
        self._log(principal.name.rpartition("/")[2], f"AccessDenied: {message}")
        return message
