"""Calls one function once, in a process of its own, and prints its answer: what a deploy does to `at_deploy` functions."""

import argparse
import json
import time
from pathlib import Path

from local.plan import read_plan
from local.worker import bounded_handlers


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--function", required=True)
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan)
    deadline_ms = int((time.time() + plan.functions[arguments.function].timeout_s) * 1000)
    answer = bounded_handlers(plan).call(arguments.function, {"RequestType": "Update"}, request_id="start",
                                         deadline_ms=deadline_ms)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
