"""How what holds data is kept from being deleted by mistake."""

import pulumi

from infra.settings import Settings


def kept(
    settings: Settings,
    parent: pulumi.Resource | None = None,
    depends_on: list[pulumi.Resource] | None = None,
) -> pulumi.ResourceOptions:
    """The options of a resource that holds data, or that says how a bucket is kept.

    With ``protectData``, Pulumi refuses to delete it; and once it is told that it may
    (``pulumi state unprotect``), it forgets it and leaves it in AWS.
    """
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=depends_on,
        protect=settings.protect_data,
        retain_on_delete=settings.protect_data,
    )
