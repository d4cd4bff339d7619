"""`python -m local run | status | user | operator | proof | rebuild-views`."""

import argparse
import asyncio
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from local.addresses import REPOSITORY, CannotStart, DataFolder, Run, find_domain, parse_ports

find_domain()


def run(arguments: argparse.Namespace) -> int:
    from local.progress import Progress
    from local.supervisor import Settings, Supervisor

    settings = Settings(data=arguments.data, ports=arguments.ports, fresh=arguments.fresh, workers=arguments.workers,
                        functions=arguments.functions, demo=arguments.demo)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if arguments.until_eof:
            asyncio.get_running_loop().add_reader(sys.stdin, lambda: sys.stdin.buffer.raw.read(1) or stop.set())
        await Supervisor(settings, Progress(quiet=arguments.quiet)).run(stop)

    try:
        asyncio.run(until_stopped())
    except CannotStart as error:
        print(f"\nThe exchange stopped: {error}", file=sys.stderr)
        return 1
    if not arguments.quiet:
        print("stopped")
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Exit code 0 when the exchange is ready, 1 otherwise."""
    folder = DataFolder(arguments.data)
    run_file = folder.read_run()
    if run_file is None:
        print(f"No exchange has run on {folder.path}.")
        return 1
    alive = folder.locked_by_another()
    state = run_file.state if alive else "not running" + (" (it was killed)" if run_file.state == "ready" else "")
    if arguments.json:
        print(json.dumps({**vars(run_file), "state": state}, indent=2))
        return 0 if state == "ready" else 1
    print(f"{folder.path}: {state}" + (f": {run_file.message}" if run_file.message and alive else ""))
    if alive:
        for name in ("application", "trading", "websocket", "emulator"):
            print(f"  {name:<12} {getattr(run_file, name)}")
        for name, pid in sorted(run_file.pids.items()):
            again = run_file.restarts.get(name, 0)
            print(f"  {name:<44} process {pid:>7}" + (f", started again {again} x" if again else ""))
        if "demo" in run_file.pids:
            print(f"  demo market: {demo_state(folder.path)}")
    return 0 if state == "ready" else 1


def demo_state(data: Path) -> str:
    """What the bots say of themselves, in a line."""
    try:
        state = json.loads((data / "demo.state.json").read_text())
    except (OSError, ValueError):
        return "starting"
    trading = sum(1 for bot in state["bots"].values() if bot == "trading")
    others = {f"{name}: {bot}" for name, bot in state["bots"].items() if bot != "trading"}
    return "; ".join([f"{trading} of {len(state['bots'])} bots trade", *sorted(others)])


def user(arguments: argparse.Namespace) -> int:
    from local.user import Refused, make_user

    run_file = _running(arguments)
    if run_file is None:
        return 1
    try:
        made = make_user(run_file, email=arguments.email, password=arguments.password, faucet=arguments.faucet)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    print(json.dumps(made, indent=2))
    return 0


def operator(arguments: argparse.Namespace) -> int:
    from local.user import Refused, make_operator

    run_file = _running(arguments)
    if run_file is None:
        return 1
    try:
        made = make_operator(run_file, email=arguments.email)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    print(json.dumps(made, indent=2))
    return 0


def _running(arguments: argparse.Namespace) -> Run | None:
    """Where the exchange that runs on the folder is to be found; tells it when there is none."""
    folder = DataFolder(arguments.data)
    run_file = folder.read_run()
    if run_file is not None and run_file.state == "ready" and folder.locked_by_another():
        return run_file
    starts = run_file is not None and run_file.state == "starting" and folder.locked_by_another()
    print(f"The exchange on {folder.path} is still starting." if starts else
          f"No exchange is running on {folder.path}; start it with `make run`.", file=sys.stderr)
    return None


def proof(arguments: argparse.Namespace) -> int:
    """Exit code 0 when a proof of liabilities was taken and is published."""
    return _call_by_hand(arguments, "audit_prove_liabilities", {}, good=lambda answer: "proof" in answer)


def rebuild_views(arguments: argparse.Namespace) -> int:
    """Exit code 0 when every market's views stand where the journal stood."""
    return _call_by_hand(arguments, "feed_rebuild_views", {"market": arguments.market},
                         good=lambda answer: all(part["complete"] for part in answer.values()))


def _call_by_hand(arguments: argparse.Namespace, operation: str, payload: dict, *, good: Callable[[dict], bool]) -> int:
    """Calls a function of the running exchange and prints its answer; the exit code."""
    import http.client
    import urllib.parse

    run_file = _running(arguments)
    if run_file is None:
        return 1
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(run_file.connections).netloc, timeout=900)
    connection.request("POST", f"/2015-03-31/functions/exchange-sandbox-{operation}/invocations", json.dumps(payload))
    answer = connection.getresponse()
    text = answer.read().decode()
    print(text)
    return 0 if answer.status == 200 and "X-Amz-Function-Error" not in answer.headers and good(json.loads(text)) else 1


def main() -> int:
    """As a command of the shell: who writes to a pipe that nobody reads any more is ended by SIGPIPE, without a word."""
    try:
        try:
            return _main()
        finally:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
    except BrokenPipeError:
        if not any(map(_unread, (1, 2))):
            raise
        # Not from the beginning: a connection that a server has closed is an error with words, and a start cleans up.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
        raise


def _unread(handle: int) -> bool:
    """Whether it is a pipe whose other end is closed."""
    polled = select.poll()
    polled.register(handle, 0)
    return any(event & select.POLLERR for _, event in polled.poll(0))


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description="The whole exchange on one machine.")
    commands = parser.add_subparsers(required=True)
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", REPOSITORY / ".local")),
                      help="the folder that holds everything that persists (default .local)")
    command = commands.add_parser("run", parents=[data], help="start the exchange; Ctrl-C stops it")
    command.add_argument("--ports", type=parse_ports, default=parse_ports("8080,8081,8082"),
                         help="`free`, or application,trading,websocket (default 8080,8081,8082)")
    command.add_argument("--fresh", action="store_true", help="forget all data first")
    command.add_argument("--quiet", action="store_true", help="print errors only")
    command.add_argument("--workers", type=int, default=0, help="worker processes (default: 2 per processor, at least 4)")
    command.add_argument("--demo", action="store_true", help="with two bots that make the markets move, and a user to try it")
    command.add_argument("--until-eof", action="store_true", help="stop when the standard input ends, as it does when"
                                                                  " who started this has died")
    command.add_argument("--functions", type=Path, default=None, help=argparse.SUPPRESS)
    command.set_defaults(run=run)
    command = commands.add_parser("status", parents=[data], help="what runs, and where")
    command.add_argument("--json", action="store_true")
    command.set_defaults(run=status)
    command = commands.add_parser("user", parents=[data], help="make a user and an API key and print them")
    command.add_argument("--email", required=True)
    command.add_argument("--password", default=None, help="default: drawn; of a user who exists, to sign in")
    command.add_argument("--faucet", action="store_true", help="also take play money of every asset")
    command.set_defaults(run=user)
    command = commands.add_parser("operator", parents=[data], help="put a user into the group that may steer the exchange")
    command.add_argument("--email", required=True)
    command.set_defaults(run=operator)
    command = commands.add_parser("proof", parents=[data], help="take a proof of liabilities now")
    command.set_defaults(run=proof)
    command = commands.add_parser("rebuild-views", parents=[data], help="make all views anew from the journal")
    command.add_argument("--market", default=None, help="default: all")
    command.set_defaults(run=rebuild_views)
    arguments = parser.parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
