"""The unmodified coinbasepro: REST with answers converted to Decimal and datetime, and an exception class per status.

Called with one JSON argument: `trading`, `key`, `secret`, `passphrase`.
"""

import json
import sys

import coinbasepro
from stdio import serve

settings = json.loads(sys.argv[1])
serve({
    "public": coinbasepro.PublicClient(api_url=settings["trading"], rate_limit=0),
    "private": coinbasepro.AuthenticatedClient(
        settings["key"], settings["secret"], settings["passphrase"], api_url=settings["trading"],
        public_rate_limit=0, auth_rate_limit=0),
})
