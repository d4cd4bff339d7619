"""The unmodified ccxt and ccxt.pro, told where the exchange is, and nothing else."""

import ccxt
import ccxt.pro

from bench.client import Key
from bench.exchange import RunningExchange as Exchange


def rest_client(exchange: Exchange, key: Key) -> ccxt.coinbaseexchange:
    client = ccxt.coinbaseexchange({"apiKey": key.key, "secret": key.secret, "password": key.passphrase,
                                    "enableRateLimit": False})
    client.urls["api"] = {"public": exchange.trading, "private": exchange.trading}
    return client


def pro_client(exchange: Exchange, key: Key) -> ccxt.pro.coinbaseexchange:
    client = ccxt.pro.coinbaseexchange({"apiKey": key.key, "secret": key.secret, "password": key.passphrase,
                                        "enableRateLimit": False})
    client.urls["api"] = {"public": exchange.trading, "private": exchange.trading, "ws": exchange.websocket}
    return client
