"""`api`: the handlers against a real ledger, one for all tests of a module: a refused request leaves nothing behind."""

import pytest


@pytest.fixture(scope="module")
def api(module_ledger_dsn):
    from door_calls import doors

    with pytest.MonkeyPatch.context() as patch, doors(module_ledger_dsn, patch) as made:
        yield made
