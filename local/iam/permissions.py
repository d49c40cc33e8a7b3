"""Decides who may what, by what moto holds; says of each denial what was missing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from local.iam.evaluation import Access, Decision, Principal, decide
from local.iam.kms_actions import uses_of_key
from local.iam.policy import parse_policy
from local.iam.policy_store import Holdings
from local.runtime.execution import LogSink


@dataclass(frozen=True)
class Ruling:
    """What was decided about one thing that ``request`` needed."""

    principal: Principal
    request: str
    access: Access
    allowed: bool


class Permissions:
    """What everybody may in one account. Denials go to ``log``; thread-safe.

    ``watch`` is told of each ruling.
    """

    def __init__(self, account: str, log: LogSink) -> None:
        self.account = account
        self.holdings = Holdings(account)
        self.watch: Callable[[Ruling], None] = lambda ruling: None
        self._log = log

    def check(self) -> None:
        """Read every policy that there is. Raises PolicyError for one that cannot be played."""
        for document in self.holdings.documents():
            parse_policy(document.text, document.kind)

    def denial(self, principal: Principal, request: str, accesses: Sequence[Access]) -> str | None:
        """Why ``principal`` may not, as AWS words it, or None if it may all of ``accesses``, and
        use the keys that this takes. Raises PolicyError.
        """
        for access in self._with_keys(request, accesses):
            found = self.judge(principal, request, access)
            if not found.allowed:
                return self.tell(principal, access, found)
        return None

    def may(self, principal: Principal, request: str, access: Access) -> bool:
        """Whether ``principal`` may; if not, the log says so. Raises PolicyError."""
        return self.denial(principal, request, [access]) is None

    def _with_keys(self, request: str, accesses: Sequence[Access]) -> Iterator[Access]:
        for access in accesses:
            yield access
            if key := self.holdings.key_of(access.resource):
                yield from uses_of_key(access, request, key)

    def judge(self, principal: Principal, request: str, access: Access) -> Decision:
        """Decide, and say nothing. Raises PolicyError."""
        found = decide(access, principal, self.holdings.policies(access, principal))
        self.watch(Ruling(principal, request, access, found.allowed))
        return found

    def tell(self, principal: Principal, access: Access, found: Decision) -> str:
        """Log a denial; what AWS says of it."""
        text = (
            f"User: {principal} is not authorized to perform: {access.action} "
            f"on resource: {access.resource} {found.reason}"
        )
        self._log(principal.name.rpartition("/")[2], f"AccessDenied: {text}")
        return text

    def refuse(self, principal: Principal, request: str, reason: str) -> str:
        """Log that ``request`` is refused whatever the policies say, and why; the same text."""
        text = f"User: {principal} is not authorized to perform: {request}, {reason}"
        self._log(principal.name.rpartition("/")[2], f"AccessDenied: {text}")
        return text
