"""The unmodified ccxt and ccxt.pro, told where the exchange is, and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ccxt
import ccxt.pro

from bench.client import Key
from bench.exchange import RunningExchange as Exchange


def rest_client(exchange: Exchange, key: Key) -> ccxt.coinbaseexchange:
    client = ccxt.coinbaseexchange({"apiKey": key.key, "secret": key.secret, "password": key.passphrase,
                                    "enableRateLimit": False})
    client.urls["api"] = {"public": exchange.trading, "private": exchange.trading}
    return client


@contextmanager
def rest_clients(exchange: Exchange) -> Iterator[Callable[[Key], ccxt.coinbaseexchange]]:
    """Makes clients, which are closed at the end."""
    made: list[ccxt.coinbaseexchange] = []

    def make(key: Key) -> ccxt.coinbaseexchange:
        made.append(rest_client(exchange, key))
        return made[-1]

    yield make
    for client in made:
        if client.session is not None:
            client.session.close()


def pro_client(exchange: Exchange, key: Key) -> ccxt.pro.coinbaseexchange:
    client = ccxt.pro.coinbaseexchange({"apiKey": key.key, "secret": key.secret, "password": key.passphrase,
                                        "enableRateLimit": False})
    client.urls["api"] = {"public": exchange.trading, "private": exchange.trading, "ws": exchange.websocket}
    return client
