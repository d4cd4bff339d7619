"""Brings the ledger's schema up to date. Invoked by every deploy and by every start of the local runtime."""

import os

from exchange.adapters.postgres.connection import password
from exchange.adapters.postgres.migrate import migrate


def lambda_handler(event: dict, context: object) -> dict:
    """Answers the names of the migrations applied by this call; raises, and so fails the deploy, if one cannot be."""
    return {"applied": migrate(os.environ["DATABASE_DSN"], password=password())}
