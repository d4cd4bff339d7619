"""Brings the ledger's schema up to date. Invoked by every deploy that changed it and by every start of the local runtime.

A deploy that fails after it is taken back, and one that puts an earlier version back is a deploy too: both invoke the function
of before on the schema of after. A migration keeps what the version before it uses, so that is no fault in the cloud, where a
raise would leave the stack half taken back. On one machine it is the data of a newer checkout, and refused.
"""

import os

from exchange.adapters.postgres.connection import password
from exchange.adapters.postgres.migrate import migrate


def lambda_handler(event: dict, context: object) -> dict:
    """Answers the names of the migrations applied by this call; raises, and so fails the deploy, if one cannot be."""
    return {"applied": migrate(os.environ["DATABASE_DSN"], password=password(),
                               newer_is_fine=os.environ["EXCHANGE_PORTS"] == "aws")}
