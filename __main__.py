"""The Pulumi program: settings, components, exports. Deploy it with ``pulumi up``."""

import pulumi

from infra.api import HttpApi
from infra.config.settings import Settings
from infra.config.validation import checked
from infra.encryption import customer_key
from infra.events import CompletionBus
from infra.functions.component import Functions
from infra.functions.roles import Roles
from infra.monitoring.component import Monitoring
from infra.queues import JobQueues
from infra.stack import tag_everything
from infra.storage import Storage
from infra.table import job_table

settings = checked(Settings.load())
tag_everything()
roles = Roles(settings, customer_key(settings))
key = roles.key
storage = Storage(settings, key)
table = job_table(settings, key)
queue = JobQueues(settings, storage.manifest_bucket, key)
events = CompletionBus(settings, key)
functions = Functions(settings, storage, table, queue, events.bus, roles)
api = HttpApi(settings, functions)
monitoring = Monitoring(settings, table, queue, events, functions, api, key)

pulumi.export("apiUrl", api.url)
pulumi.export("apiAuth", settings.api_auth)
pulumi.export("region", settings.region)
pulumi.export("sourceBucket", storage.source_bucket)
pulumi.export("targetBucket", storage.target_bucket)
pulumi.export("targetPrefix", settings.target_prefix)
pulumi.export("archiveRetentionDays", settings.archive_retention_days)
pulumi.export("manifestBucket", storage.manifest_bucket)
pulumi.export("manifestPrefix", settings.manifest_prefix)
pulumi.export("tableName", table.name)
pulumi.export("queueUrl", queue.queue.url)
pulumi.export("deadLetterQueueUrl", queue.dead_letters.url)
pulumi.export("eventBusName", events.bus.name)
pulumi.export("eventsQueueUrl", events.queue_url)
pulumi.export("dashboardName", monitoring.dashboard.dashboard_name)
pulumi.export("customerKeyArn", key)
pulumi.export("zipperRoleArn", functions.zipper.role)
pulumi.export("zipperMaxConcurrency", settings.zippers[1])
