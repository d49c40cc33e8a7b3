"""Resource options and tags for the whole stack, and the account that it belongs to."""

import pulumi
import pulumi_aws as aws

from infra.config.settings import Settings


def account_id() -> pulumi.Output[str]:
    """Return the 12-digit ID of the account that the stack is deployed to."""
    return aws.get_caller_identity_output().account_id


def tag_everything() -> None:
    """Tag every resource declared after this call with the project, the stack and ``ManagedBy``.

    A resource's own tags take precedence. ``aws:defaultTags`` in a stack's configuration adds
    other tags.
    """
    pulumi.runtime.register_stack_transformation(_tagged)


def _tagged(
    args: pulumi.ResourceTransformationArgs,
) -> pulumi.ResourceTransformationResult | None:
    """Add the tags to a resource that supports tags: it has the argument, given or not."""
    if not args.type_.startswith("aws:") or "tags" not in args.props:
        return None
    tags = {
        "Project": pulumi.get_project(),
        "Stack": pulumi.get_stack(),
        "ManagedBy": "Pulumi",
    }
    own = args.props["tags"]
    assert own is None or isinstance(own, dict)
    return pulumi.ResourceTransformationResult(
        {**args.props, "tags": {**tags, **(own or {})}}, args.opts
    )


def retained(
    settings: Settings,
    parent: pulumi.Resource | None = None,
    depends_on: list[pulumi.Resource] | None = None,
) -> pulumi.ResourceOptions:
    """Return the options of a resource that holds data, or that configures a bucket.

    With ``protectData``, Pulumi refuses to delete the resource. After ``pulumi state unprotect``,
    Pulumi stops managing it and leaves it in AWS.
    """
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=depends_on,
        protect=settings.protect_data,
        retain_on_delete=settings.protect_data,
    )
