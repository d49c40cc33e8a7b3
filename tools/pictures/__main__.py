"""``python -m tools.pictures graph`` and the others write the pictures that the docs show."""

import argparse
import sys


def main() -> int:
    """Parse the command line and draw. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__)
    pictures = parser.add_subparsers(dest="picture", required=True)
    pictures.add_parser("graph", help="docs/graph.svg: what the Pulumi program declares")
    pictures.add_parser(
        "dashboard", help="docs/dashboard.png: the dashboard, of what the embedded AWS does"
    )
    pictures.add_parser("page", help="docs/pictures/page*.png: the API's page, in Chromium")
    pictures.add_parser("terminal", help="docs/pictures/*.svg: the command line, in a terminal")
    options = parser.parse_args()
    if options.picture == "graph":
        from tools.pictures.graph import write_graph

        written = [write_graph()]
    elif options.picture == "dashboard":
        from tools.pictures.dashboard import write_dashboard

        written = [write_dashboard()]
    elif options.picture == "page":
        from tools.pictures.page import write_page

        written = write_page()
    else:
        from tools.pictures.terminal import write_terminal

        written = write_terminal()
    print(*written, sep="\n")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
