"""Each function gets the environment variables that its settings class reads, and no others."""

import pytest

from tests.infra.conftest import Declared
from tests.support.environment import FUNCTIONS_ENVIRONMENT
from zipjobs.settings import (
    CancelSettings,
    DocsSettings,
    EnqueueSettings,
    FinalizerSettings,
    ReconcilerSettings,
    Settings,
    StatusSettings,
    ZipperSettings,
)

FUNCTION = "lambda/function:Function"
SET_BY_LAMBDA = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE"}
NOT_SETTINGS = ("POWERTOOLS_", "AWS_")
SETTINGS: dict[str, type[Settings]] = {
    "enqueue": EnqueueSettings,
    "status": StatusSettings,
    "cancel": CancelSettings,
    "docs": DocsSettings,
    "zipper": ZipperSettings,
    "dead-letter": FinalizerSettings,
    "reconciler": ReconcilerSettings,
}


def declared_variables(program: Declared, function: str) -> set[str]:
    variables = program.of(FUNCTION)[function].inputs["environment"]["variables"]
    return {name for name in variables if not name.startswith(NOT_SETTINGS)}


def read_variables(settings: type[Settings]) -> set[str]:
    return {name.upper() for name in settings.model_fields} - SET_BY_LAMBDA


def test_every_function_has_a_settings_class(program: Declared) -> None:
    assert SETTINGS.keys() == program.of(FUNCTION).keys()


@pytest.mark.parametrize("function", SETTINGS)
def test_a_function_gets_the_variables_that_it_reads(program: Declared, function: str) -> None:
    assert declared_variables(program, function) == read_variables(SETTINGS[function])


def test_the_environment_of_tests_is_complete(program: Declared) -> None:
    declared = {name for one in SETTINGS for name in declared_variables(program, one)}
    ours = {name for name in FUNCTIONS_ENVIRONMENT if not name.startswith("AWS_")}
    assert ours == declared
