"""Write the pictures in the docs."""

import argparse

from tools.pictures.graph import write_graph
from tools.pictures.page import write_page
from tools.pictures.terminal import write_terminal

PICTURES = {"graph": write_graph, "terminal": write_terminal, "page": write_page}


def main() -> None:
    """Write the named pictures, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pictures",
        description="graph: docs/graph.svg, the resources that the Pulumi program declares. "
        "page: docs/pictures/page*.png, the API's page in Chromium. "
        "terminal: docs/pictures/*.svg, the output of the command line.",
    )
    parser.add_argument("picture", nargs="?", choices=PICTURES, help="default: all")
    picture = parser.parse_args().picture
    for name in [picture] if picture else PICTURES:
        print(*PICTURES[name](), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
