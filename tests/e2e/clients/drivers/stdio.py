"""Calls of a client's own methods over standard input and output, one JSON object a line.

Owns nothing but the conversation: `{"on": "private", "call": "get_accounts", "args": [...], "kwargs": {...}}` calls
that method of the object of that name; the answer is `{"result": ...}` or `{"error": "<class>", "bases": [...], "message":
"..."}`. What a client prints goes to standard error, so that it cannot disturb the answers. Values that JSON does not
know are answered as text. The drivers beside this file run in environments of their own and import it and their client,
nothing of this repository.
"""

import inspect
import itertools
import json
import os
import sys
from collections.abc import Iterator

ROWS = 1000  # of an endless generator


def _value(result: object) -> object:
    return list(itertools.islice(result, ROWS)) if isinstance(result, Iterator) else result


async def _await(result: object) -> object:
    return await result


def serve(objects: dict[str, object], loop: object = None) -> None:
    """Answers until standard input ends. `loop` runs what a method gives to await."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = getattr(objects[request["on"]], request["call"])(*request.get("args", []), **request.get("kwargs", {}))
            if inspect.isawaitable(result):
                result = loop.run_until_complete(_await(result))
            answer = {"result": _value(result)}
        except Exception as error:  # noqa: BLE001 (whatever the client raises is the answer)
            answer = {"error": type(error).__name__, "bases": [base.__name__ for base in type(error).__mro__],
                      "message": str(error)}
        print(json.dumps(answer, default=str), file=answers, flush=True)
    answers.close()
    os._exit(0)  # some clients leave threads behind that would wait for ever
