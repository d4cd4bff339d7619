"""POST /orders/batch: up to 50 cancels and orders, in one transaction and one message to each market's queue.

Each is answered on its own, at its place: an order or its id, or `message` and `code` of why not. Cancels come first, so that
what they free can be had by the orders behind them when the engine gets there; holds are not freed before that.
"""

from exchange.api.batch import answer_cancels, answer_orders, parse_batch
from exchange.api.door import operation
from exchange.api.request import Request


@operation(scope="trade", bucket="orders")
def lambda_handler(request: Request) -> dict:
    """`cancels` and `orders`, as long as those of the request."""
    batch = parse_batch(request)
    batch.place()
    sent = batch.send()
    return {"cancels": answer_cancels(batch, sent), "orders": answer_orders(batch)}
