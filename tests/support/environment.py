"""The environment variables of all functions, for tests and benchmarks without a stack.

``tests/infra/config/test_environment_variables.py`` compares the names with the Pulumi program.
"""

FUNCTIONS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "thing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "ACCOUNT_ID": "123456789012",
    "BUCKET_OWNERS": "{}",
    "TABLE_NAME": "jobs",
    "ARCHIVE_RETENTION_DAYS": "0",
    "JOB_RETENTION_SECONDS": "86400",
    "RECONCILE_GRACE_SECONDS": "1800",
    "SOURCE_BUCKET": "src",
    "TARGET_BUCKET": "dst",
    "TARGET_PREFIX": "zips/",
    "MANIFEST_PREFIX": "manifests/",
    "ALLOWED_SOURCES": '["src/"]',
    "ALLOWED_TARGETS": '["dst/zips/"]',
    "QUEUE_URL": "https://queue",
    "REQUESTS_BUCKET": "manifests",
    "REQUESTS_PREFIX": "requests/",
    "PRESIGN_TTL_SECONDS": "3600",
    "WORK_BUCKET": "manifests",
    "WORK_PREFIX": "work/",
    "EVENT_BUS_NAME": "bus",
    "SERVICE_NAME": "zip-jobs",
    "SEGMENT_MIB": "1024",
    "API_AUTH": "iam",
}
