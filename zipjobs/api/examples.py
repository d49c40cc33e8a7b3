"""Requests that the API's description shows, and that its page begins with."""

from aws_lambda_powertools.event_handler.openapi.models import Example

EXAMPLES = {
    "keys": Example(
        summary="Some objects, by their keys",
        value={"keys": ["uploads/one.pdf", "uploads/two.pdf"]},
    ),
    "entries": Example(
        summary="Objects under names of your own",
        value={"entries": [{"key": "uploads/one.pdf", "name": "2026/invoice 1.pdf"}]},
    ),
    "prefix": Example(
        summary="All PDFs below a prefix, whatever is missing by then",
        value={"prefix": "uploads/", "include": ["**/*.pdf"], "onMissing": "skip"},
    ),
}
