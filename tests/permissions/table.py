"""The table of permissions in ``docs/security.md``, with the requests that need each of them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.iam.permissions import Evaluation
from local.iam.policy_store import PolicyDocument
from tests.permissions.mutants import Mutant, broken, mutants, short, statements, values

FILE = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- begin: python -m tests.permissions --write -->", "<!-- end -->"
HEAD = (
    "principal",
    "allowed actions",
    "resource and condition",
    "requests that fail without it",
)

_KEYS = {
    "prefix": "with prefix",
    "SourceAccount": "for account",
    "SourceArn": "for",
    "ViaService": "through",
    "EncryptionContext:aws:logs:arn": "for",
}

Broken = Mapping[Mutant, Sequence[Evaluation]]


@dataclass
class Row:
    """One policy statement. ``needed_by`` counts the requests that need each action."""

    principal: str
    actions: tuple[str, ...]
    resource: str
    needed_by: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """The cells that identify the row: all except ``needed_by``."""
        return self.principal, ", ".join(self.actions), self.resource

    def cells(self) -> tuple[str, str, str, str]:
        requests = {
            request.removeprefix(f"{self._service} ")
            for counts in self.needed_by.values()
            for request in counts
        }
        return *self.key, ", ".join(sorted(requests))

    @property
    def _service(self) -> str:
        return self.actions[0].partition(":")[0]


def without_each(
    documents: Sequence[PolicyDocument], evaluations: Counter[Evaluation], account: str
) -> dict[Mutant, list[Evaluation]]:
    """Return the requests that fail without each removable part of the documents."""
    return {
        mutant: broken(mutant, evaluations, account)
        for document in documents
        for mutant in mutants(document)
    }


def rows(documents: Sequence[PolicyDocument]) -> list[Row]:
    """Return a row for each statement."""
    return [
        _row(document, statement) for document in documents for statement in statements(document)
    ]


def filled(
    documents: Sequence[PolicyDocument], found: Broken, evaluations: Counter[Evaluation]
) -> list[Row]:
    """Return the rows, with the requests that fail without them."""
    table = rows(documents)
    first = {document: sum(map(_count, documents[:i])) for i, document in enumerate(documents)}
    for mutant, broken_by_it in found.items():
        if mutant.removed in ("statement", "action"):
            row = table[first[mutant.document] + mutant.index]
            counts: Counter[str] = Counter()
            for evaluation in broken_by_it:
                counts[evaluation.request] += evaluations[evaluation]
            if mutant.removed == "action" or len(row.actions) == 1:
                row.needed_by[mutant.value] = counts
    return table


def markdown(table: Sequence[Row]) -> str:
    """Return the table as Markdown."""
    cells_of = sorted(row.cells() for row in table)
    lines = [HEAD, ("---",) * len(HEAD), *cells_of]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def keys_in(text: str) -> list[tuple[str, ...]]:
    """Return the first three cells of each row of the table in a document."""
    _, _, body = text.partition(BEGIN)
    body = body.partition(END)[0].strip()
    rows = [line.strip("| ").split(" | ") for line in body.splitlines()]
    return [tuple(cells[:3]) for cells in rows[2:]]


def write(table: Sequence[Row]) -> None:
    """Write the table into the document."""
    text = FILE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    FILE.write_text(f"{before}{BEGIN}\n\n{markdown(table)}\n\n{END}{after}")


def _count(document: PolicyDocument) -> int:
    return len(statements(document))


def _row(document: PolicyDocument, statement: Mapping[str, Any]) -> Row:
    actions = tuple(values(statement, "Action"))
    places = [short(resource) for resource in values(statement, "Resource")]
    if document.kind == "identity":
        principal = short(document.arn).removeprefix("role ")
    elif statement["Principal"] == "*":
        principal = "*"
    else:
        principal = ", ".join(
            "the account's IAM policies" if name.endswith(":root") else name
            for names in statement["Principal"].values()
            for name in _as_list(names)
        )
    if document.kind == "trust" or (document.kind == "resource" and places == ["*"]):
        places = [short(document.arn)]
    resource = ", ".join(f"`{place}`" for place in places) + _conditions(statement)
    if statement["Effect"] == "Deny":
        principal = f"{'everyone' if principal == '*' else principal}: denied"
    return Row(principal, actions, resource)


def _conditions(statement: Mapping[str, Any]) -> str:
    found: dict[str, list[str]] = defaultdict(list)
    for keys in statement.get("Condition", {}).values():
        for key, wanted in keys.items():
            if key == "aws:SecureTransport" and wanted == "false":
                return ", over plain HTTP"
            found[key.partition(":")[2]] += [short(value) for value in _as_list(wanted)]
    texts = [f"{_KEYS.get(key, key)} `{', '.join(wanted)}`" for key, wanted in found.items()]
    return f", {', '.join(texts)}" if texts else ""


def _as_list(found: Any) -> list[str]:
    return [str(value) for value in (found if isinstance(found, list) else [found])]
