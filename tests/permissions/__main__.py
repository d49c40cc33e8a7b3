"""``python -m tests.permissions`` prints each permission and the requests that fail without it.

With ``--write``, also write the table into ``docs/security.md``.
"""

import argparse
import sys

from rich.console import Console
from rich.table import Table

from tests.e2e.stack import deployed
from tests.permissions.mutants import declared
from tests.permissions.scenario import run_scenario
from tests.permissions.table import HEAD, filled, without_each, write


def main() -> int:
    """Run the scenario. Return 1 if a permission is not needed."""
    parser = argparse.ArgumentParser(prog="python -m tests.permissions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/security.md")
    options = parser.parse_args()
    with deployed() as client:
        evaluations = run_scenario(client)
        policies = client.stack.permissions.policy_store
        documents = declared(policies)
        found = without_each(documents, evaluations, client.stack.permissions.account)
    table = filled(documents, found, evaluations)
    shown = Table(*HEAD)
    for row in table:
        needed = [
            f"{action}: " + ", ".join(f"{name} x{count}" for name, count in sorted(counts.items()))
            for action, counts in row.needed_by.items()
        ]
        shown.add_row(row.principal, "\n".join(row.actions), row.resource, "\n".join(needed))
    console = Console(width=200)
    console.print(shown)
    unneeded = [mutant for mutant, evaluations in found.items() if not evaluations]
    for mutant in unneeded:
        console.print(f"Not needed: {mutant}")
    console.print(f"{len(found)} mutants of {len(documents)} policies, {len(unneeded)} survived")
    if options.write:
        write(table)
    return 1 if unneeded else 0


if __name__ == "__main__":
    sys.exit(main())
