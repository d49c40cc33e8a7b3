"""The tags by which everything of a stack is found, and paid for."""

import pulumi


def tag_everything() -> None:
    """Tag what is declared from here on: with the project, the stack, and who manages it.

    Tags that a resource has of its own stay. ``aws:defaultTags`` in a stack's configuration adds
    others.
    """
    pulumi.runtime.register_stack_transformation(_tagged)


def stack_tags() -> dict[str, str]:
    """What every resource that can have tags has."""
    return {
        "Project": pulumi.get_project(),
        "Stack": pulumi.get_stack(),
        "ManagedBy": "Pulumi",
    }


def _tagged(
    args: pulumi.ResourceTransformationArgs,
) -> pulumi.ResourceTransformationResult | None:
    """A resource that can have tags has the argument, given or not."""
    if not args.type_.startswith("aws:") or "tags" not in args.props:
        return None
    own = args.props["tags"]
    assert own is None or isinstance(own, dict)
    props = {**args.props, "tags": {**stack_tags(), **(own or {})}}
    return pulumi.ResourceTransformationResult(props, args.opts)
