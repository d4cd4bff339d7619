"""`api`: the handlers against a real ledger, one for all tests of a module: a refused request leaves nothing behind."""

import pytest
from moto import mock_aws


@pytest.fixture(scope="module")
def api(module_ledger_dsn):
    from door_calls import Api

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with mock_aws():
            made = Api(module_ledger_dsn, patch)
            yield made
            made.close()
