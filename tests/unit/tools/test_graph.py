"""``docs/graph.svg`` is up to date and shows all resources."""

from tools.declared import declared
from tools.pictures.flow import DRAWN, flow
from tools.pictures.graph import GRAPH, graph


def test_the_committed_graph_is_up_to_date() -> None:
    assert GRAPH.read_text() == graph(), "run make graph"


def test_every_resource_is_shown_or_counted_as_omitted() -> None:
    resources = declared("dev")
    found = flow(resources)
    drawn = [one for one in resources.values() if one.type in DRAWN]
    assert len(drawn) + sum(found.omitted.values()) == len(resources)
    picture = graph()
    for one in drawn:
        short = one.name.removeprefix("s3-zip-jobs-dev").removeprefix("-")
        assert short in picture


def test_triggers_are_found() -> None:
    starts = {
        one.resource.name.removeprefix("s3-zip-jobs-dev-"): (
            one.routes,
            one.queue and one.queue.name.removeprefix("s3-zip-jobs-dev-"),
            one.rule and one.rule.inputs["scheduleExpression"],
        )
        for one in flow(declared("dev")).functions
    }
    assert starts["status"] == (("GET /zip-jobs/{jobId}", "GET /zip-jobs"), None, None)
    assert starts["zipper"] == ((), "jobs", None)
    assert starts["dead-letter"] == ((), "dead-letters", None)
    assert starts["reconciler"] == ((), None, "rate(15 minutes)")


def test_access_is_summarized_in_verbs() -> None:
    access = {
        one.resource.name.removeprefix("s3-zip-jobs-dev-"): {
            key.rpartition(":")[2].replace("s3-zip-jobs-dev-", ""): verbs
            for key, verbs in one.access.items()
        }
        for one in flow(declared("dev")).functions
    }
    assert access["docs"] == {}
    assert access["status"] == {"Table jobs": ("read",), "Bucket target": ("read",)}
    assert access["zipper"]["Bucket source"] == ("read",)
    assert access["zipper"]["Queue jobs"] == ("send",)
    assert access["dead-letter"]["EventBus events"] == ("publish",)
    assert "Queue dead-letters" not in access["dead-letter"]
