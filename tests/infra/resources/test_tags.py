"""The stack's tags, which show a stack's resources and costs."""

import inspect
import re

import pulumi
import pulumi_aws

from infra.stack import tag_everything
from tests.infra.conftest import ALARM_EMAIL
from tests.infra.recorder import Recorder
from tools.declared import Resource, declared


def can_have_tags(resource: Resource) -> bool:
    _, module, kind = resource.type.split(":")
    module = re.split("[./]", module)[0]
    found = getattr(getattr(pulumi_aws, {"lambda": "lambda_"}.get(module, module)), kind)
    return "tags" in inspect.signature(found._internal_init).parameters


def test_every_taggable_resource_has_the_stacks_tags() -> None:
    resources = declared("prod", {"alarmEmail": ALARM_EMAIL}).values()
    tagged = {one.key for one in resources if one.inputs.get("tags")}
    assert tagged == {one.key for one in resources if can_have_tags(one)}
    assert all(
        one.inputs["tags"] == {"ManagedBy": "Pulumi", "Project": "s3-zip-jobs", "Stack": "prod"}
        for one in resources
        if one.key in tagged
    )


def test_a_resource_keeps_its_own_tags() -> None:
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project="s3-zip-jobs", stack="dev", preview=False)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[str]:
        tag_everything()
        return pulumi_aws.sqs.Queue("letters", tags={"Team": "post", "Stack": "theirs"}).url

    program()
    tags = recorder.of_type("aws:sqs/queue:Queue")["letters"]["tags"]
    assert tags == {
        "ManagedBy": "Pulumi",
        "Project": "s3-zip-jobs",
        "Stack": "theirs",
        "Team": "post",
    }
