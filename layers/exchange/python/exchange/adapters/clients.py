"""The clients of AWS services that a function's environment names, made before its first request.

A client is made by its first use otherwise: that reads the service's model, 0.1 s of CPU, and connects to nothing yet. Called
where environments are made before anybody waits for them: on one machine in the process that workers are forked from.
"""

import os


def make_clients() -> None:
    """Those of the tables of API keys (with KMS), of markets' status and of connections, as far as they are named."""
    models = []
    if os.environ.get("API_KEYS_TABLE"):
        from exchange.adapters import api_keys
        api_keys._kms()
        models.append(api_keys._Row)
    if os.environ.get("MARKET_STATUS_TABLE"):
        from exchange.adapters import market_status
        models.append(market_status._Row)
    if os.environ.get("CONNECTIONS_TABLE"):
        from exchange.adapters import connections
        models.append(connections._Row)
    for model in models:
        model._get_connection().connection.client  # noqa: B018 (a property, which makes it)
