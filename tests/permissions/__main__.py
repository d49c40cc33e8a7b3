"""``python -m tests.permissions`` lives a stack's life and prints what breaks without what.

With ``--write`` the table goes into ``docs/security.md`` too.
"""

import argparse
import sys

from rich.console import Console
from rich.table import Table

from tests.e2e.conftest import deployed
from tests.permissions.mutants import declared
from tests.permissions.scenario import live
from tests.permissions.table import HEAD, filled, without_each, write


def main() -> int:
    """Returns 1 if something is allowed that nothing needs."""
    parser = argparse.ArgumentParser(prog="python -m tests.permissions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/security.md")
    options = parser.parse_args()
    with deployed() as client:
        rulings = live(client)
        holdings = client.stack.permissions.holdings
        documents = declared(holdings)
        found = without_each(documents, rulings, client.stack.permissions.account)
    table = filled(documents, found, rulings)
    shown = Table(*HEAD)
    for row in table:
        needed = [
            f"{action}: " + ", ".join(f"{what} x{count}" for what, count in sorted(counts.items()))
            for action, counts in row.needed_by.items()
        ]
        shown.add_row(row.who, "\n".join(row.may), row.on, "\n".join(needed))
    console = Console(width=200)
    console.print(shown)
    superfluous = [mutant for mutant, rulings in found.items() if not rulings]
    for mutant in superfluous:
        console.print(f"Nothing breaks: {mutant}")
    console.print(f"{len(found)} mutants of {len(documents)} policies, {len(superfluous)} survived")
    if options.write:
        write(table)
    return 1 if superfluous else 0


if __name__ == "__main__":
    sys.exit(main())
