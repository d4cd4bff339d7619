"""The table of operations: one row per Lambda function, from which routes, triggers, rights and environment are made.

Owns what each function is called by, what it may touch and how large it is. It must never import `aws_cdk`: the
tests, the documentation and the local runtime read it as data. A function's environment, its IAM statements and its
place in the VPC follow from `uses`, so that none of the three can disagree with the others; `cdk/wiring.py` says how.

To add an operation: make `functions/<name>/handler.py`, add a row here.
"""

from dataclasses import dataclass
from enum import Enum


class Use(Enum):
    """One thing a function works with: brings its variables, its rights and, where it lives in the VPC, the VPC."""

    DATABASE = "the ledger in PostgreSQL"
    VIEWS = "the feed's views in Valkey"
    LIMITS = "the rate limits' buckets in Valkey"
    SEND_COMMANDS = "send to every market's command queue; a market's own function only to its own market's"
    SEND_NUDGES = "send to the settle and feed queues"
    SEND_FEED = "send to the feed queue"
    SEND_PUSH = "send to the push queue"
    SEND_BEAT = "send to the beat queue"
    READ_JOURNAL = "read every market's journal"
    APPEND_JOURNAL = "read and append the journal; a market's own function only its own market's"
    READ_SNAPSHOTS = "read book snapshots; a market's own function only its own market's"
    WRITE_SNAPSHOTS = "write book snapshots"
    READ_STATUS = "read market status"
    WRITE_STATUS = "read and write market status"
    READ_API_KEYS = "look an API key up and decrypt its secret"
    CREATE_API_KEYS = "create API keys, encrypt their secrets"
    DELETE_API_KEYS = "delete API keys"
    READ_CUSTODY_SECRET = "read the secret of the custody's notices"
    WRITE_CUSTODY_SECRET = "replace the secret of the custody's notices"
    OPEN_CONNECTIONS = "note a new WebSocket connection"
    CHANGE_CONNECTIONS = "read and change what a WebSocket connection asked for"
    FORGET_CONNECTIONS = "read and delete what a WebSocket connection asked for"
    LIST_CONNECTIONS = "read what all WebSocket connections asked for"
    POST_TO_CONNECTIONS = "post to WebSocket connections"
    END_CONNECTIONS = "end WebSocket connections"
    LOOK_FOR_CONNECTIONS = "ask whether a WebSocket connection is there"
    USER_POOL = "know the user pool and its client"
    CORE = "the matching core's layer"
    WATCH_QUEUES = "read how full every queue is, dead letters included, and the figures in CloudWatch"


VPC_USES = frozenset({Use.DATABASE, Use.VIEWS, Use.LIMITS})


class Door(Enum):
    """The two HTTP APIs; see docs/API.md."""

    APPLICATION = "application"
    TRADING = "trading"


BOTH_DOORS = (Door.APPLICATION, Door.TRADING)


# Names the operation of a function in the template; the local runtime finds the source folder by it.
OPERATION_TAG = "lambda-exchange:operation"

# The path of the route that takes what no other takes.
DEFAULT_PATH = "$default"


@dataclass(frozen=True, slots=True)
class Route:
    """`method path` behind the doors. `public`: no authorizer on the application door, no signature on the other."""

    method: str
    path: str
    public: bool = False
    doors: tuple[Door, ...] = BOTH_DOORS

    @property
    def key(self) -> str:
        return self.path if self.path == DEFAULT_PATH else f"{self.method} {self.path}"


class Queue(Enum):
    """The FIFO queues. COMMANDS stands for one queue per market, COMMANDS_DEAD for their dead-letter queues."""

    COMMANDS = "commands"
    COMMANDS_DEAD = "commands-dead"
    SETTLE = "settle"
    FEED = "feed"
    PUSH = "push"
    BEAT = "beat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One Lambda function, `functions/<name>/handler.py`, and everything that is said about it."""

    name: str
    uses: frozenset[Use] = frozenset()
    routes: tuple[Route, ...] = ()
    queue: Queue | None = None
    every_minutes: int | None = None  # a schedule
    daily_at: str | None = None  # another: `03:20`, UTC
    websocket_route: str | None = None
    cognito_trigger: str | None = None
    at_deploy: bool = False  # invoked once by every deploy that changed it
    by_hand: bool = False  # invoked by operators, who have a reason; see docs/OPERATIONS.md
    per_market: bool = False  # one function per market, environment MARKET
    provisioned: int = 0  # environments kept warm behind the alias `live`
    sandbox_only: bool = False
    memory_mb: int = 512
    timeout_s: int = 10

    @property
    def lane(self) -> str:
        """The construct that makes it: the first word of the name, or the operators', who have a stack of their own."""
        return "operators" if self.name.startswith("api_admin_") else self.name.partition("_")[0]

    @property
    def wakes_itself(self) -> bool:
        """Whether it sends itself the message that it is called by next."""
        return self.queue is Queue.BEAT and Use.SEND_BEAT in self.uses

    @property
    def in_vpc(self) -> bool:
        return not VPC_USES.isdisjoint(self.uses)


# A CPU share comes with memory, and psycopg, redis and the signature check are CPU: 1 vCPU is at 1,769 MB.
HOT_MB = 1769

# What every private operation needs to know who is asking: an API key's row and secret, or an account in the ledger.
CALLER = frozenset({Use.READ_API_KEYS, Use.DATABASE, Use.USER_POOL, Use.LIMITS})
# What halting a market takes: the status row, the HALT command in its queue, a word to the feed.
HALT = frozenset({Use.WRITE_STATUS, Use.SEND_COMMANDS, Use.SEND_FEED})


def public(method: str, path: str) -> Route:
    return Route(method, path, public=True)


def operators(method: str, path: str) -> Route:
    return Route(method, path, doors=(Door.APPLICATION,))


OPERATIONS: tuple[Operation, ...] = (
    # --- public market data
    Operation(name="api_get_time", routes=(public("GET", "/time"),), memory_mb=256),
    Operation(name="api_list_currencies", memory_mb=256,
              routes=(public("GET", "/currencies"), public("GET", "/currencies/{currency_id}"))),
    Operation(name="api_list_products", routes=(public("GET", "/products"),), uses=frozenset({Use.READ_STATUS})),
    Operation(name="api_get_product", routes=(public("GET", "/products/{product_id}"),),
              uses=frozenset({Use.READ_STATUS})),
    Operation(name="api_get_book", routes=(public("GET", "/products/{product_id}/book"),),
              uses=frozenset({Use.VIEWS}), memory_mb=1024),
    Operation(name="api_get_ticker", routes=(public("GET", "/products/{product_id}/ticker"),),
              uses=frozenset({Use.VIEWS})),
    Operation(name="api_list_trades", routes=(public("GET", "/products/{product_id}/trades"),),
              uses=frozenset({Use.VIEWS, Use.DATABASE})),
    Operation(name="api_list_candles", routes=(public("GET", "/products/{product_id}/candles"),),
              uses=frozenset({Use.VIEWS, Use.DATABASE})),
    Operation(name="api_list_events", routes=(public("GET", "/products/{product_id}/events"),), memory_mb=1024,
              uses=frozenset({Use.VIEWS, Use.DATABASE, Use.READ_JOURNAL})),
    Operation(name="api_get_stats", routes=(public("GET", "/products/{product_id}/stats"),),
              uses=frozenset({Use.VIEWS})),
    Operation(name="api_get_proof", routes=(public("GET", "/proof"),), uses=frozenset({Use.DATABASE})),
    Operation(name="api_summarize_products", uses=frozenset({Use.VIEWS}),
              routes=(public("GET", "/products/volume-summary"), public("GET", "/products/spark-lines"))),
    Operation(name="api_get_openapi", routes=(public("GET", "/openapi.json"), public("GET", "/docs")), memory_mb=256),
    Operation(name="api_answer_unknown", routes=(Route("ANY", DEFAULT_PATH, public=True),), memory_mb=256),
    # --- orders
    Operation(name="api_place_order", routes=(Route("POST", "/orders"),), memory_mb=HOT_MB,
              uses=CALLER | {Use.VIEWS, Use.SEND_COMMANDS, Use.READ_STATUS}),
    Operation(name="api_place_orders", routes=(Route("POST", "/orders/batch"),), memory_mb=HOT_MB,
              uses=CALLER | {Use.VIEWS, Use.SEND_COMMANDS, Use.READ_STATUS}),
    Operation(name="api_amend_order", routes=(Route("PUT", "/orders/{order_id}"),), memory_mb=HOT_MB,
              uses=CALLER | {Use.VIEWS, Use.SEND_COMMANDS, Use.READ_STATUS}),
    Operation(name="api_cancel_after", routes=(Route("POST", "/orders/cancel-after"),), uses=CALLER),
    Operation(name="api_list_orders", routes=(Route("GET", "/orders"),), uses=CALLER),
    # /orders/client:{client_oid} arrives as order_id = "client:...".
    Operation(name="api_get_order", routes=(Route("GET", "/orders/{order_id}"),), uses=CALLER),
    Operation(name="api_cancel_order", routes=(Route("DELETE", "/orders/{order_id}"),), memory_mb=HOT_MB,
              uses=CALLER | {Use.SEND_COMMANDS}),
    Operation(name="api_cancel_orders", routes=(Route("DELETE", "/orders"),), uses=CALLER | {Use.SEND_COMMANDS},
              memory_mb=1024),
    Operation(name="api_list_fills", routes=(Route("GET", "/fills"),), uses=CALLER),
    # --- accounts
    # Some clients sign and send the slash.
    Operation(name="api_list_accounts", routes=(Route("GET", "/accounts"), Route("GET", "/accounts/")), uses=CALLER),
    Operation(name="api_get_account", routes=(Route("GET", "/accounts/{account_id}"),), uses=CALLER),
    Operation(name="api_get_account_ledger", routes=(Route("GET", "/accounts/{account_id}/ledger"),), uses=CALLER),
    Operation(name="api_get_account_holds", routes=(Route("GET", "/accounts/{account_id}/holds"),), uses=CALLER),
    Operation(name="api_list_profiles", uses=CALLER,
              routes=(Route("GET", "/profiles"), Route("GET", "/profiles/{profile_id}"))),
    Operation(name="api_verify_user", routes=(Route("GET", "/users/self/verify"),), uses=CALLER),
    Operation(name="api_get_trailing_volume", routes=(Route("GET", "/users/self/trailing-volume"),),
              uses=CALLER | {Use.VIEWS}),
    Operation(name="api_list_payment_methods", uses=CALLER,
              routes=(Route("GET", "/payment-methods"), Route("GET", "/coinbase-accounts"))),
    Operation(name="api_get_fees", routes=(Route("GET", "/fees"),), uses=CALLER),
    # On both doors, so that a bot's integration test can fund itself.
    Operation(name="api_deposit_faucet", routes=(Route("POST", "/deposits/faucet"),), uses=CALLER, sandbox_only=True),
    Operation(name="api_get_own_proof", routes=(Route("GET", "/proof/{currency}"),), uses=CALLER),
    # --- withdrawals: `transfer` moves money out, `view` looks
    Operation(name="api_request_withdrawal", uses=CALLER,
              routes=(Route("POST", "/withdrawals/crypto"), Route("POST", "/withdrawals/payment-method"))),
    Operation(name="api_cancel_withdrawal", routes=(Route("DELETE", "/withdrawals/{transfer_id}"),), uses=CALLER),
    Operation(name="api_get_withdrawal_fee", routes=(Route("GET", "/withdrawals/fee-estimate"),), uses=CALLER),
    Operation(name="api_get_exchange_limits", routes=(Route("GET", "/users/self/exchange-limits"),), uses=CALLER),
    Operation(name="api_read_transfers", uses=CALLER,
              routes=(Route("GET", "/transfers"), Route("GET", "/transfers/{transfer_id}"),
                      Route("GET", "/accounts/{account_id}/transfers"))),
    Operation(name="api_list_addresses", routes=(Route("GET", "/address-book"),), uses=CALLER),
    Operation(name="api_change_address_book", uses=CALLER,
              routes=(Route("POST", "/address-book"), Route("DELETE", "/address-book/{address_id}"))),
    # --- deposits: the custody's notices are signed by the custody, not by a user
    Operation(name="api_create_deposit_address", routes=(Route("POST", "/coinbase-accounts/{account_id}/addresses"),),
              uses=CALLER),
    Operation(name="api_receive_custody_notice", uses=frozenset({Use.DATABASE, Use.READ_CUSTODY_SECRET}),
              routes=(Route("POST", "/custody/notices", public=True, doors=(Door.TRADING,)),)),
    # --- API keys: a key must not be able to make another
    Operation(name="api_create_api_key", routes=(Route("POST", "/api-keys", doors=(Door.APPLICATION,)),),
              uses=CALLER | {Use.CREATE_API_KEYS}),
    Operation(name="api_list_api_keys", routes=(Route("GET", "/api-keys", doors=(Door.APPLICATION,)),), uses=CALLER),
    Operation(name="api_delete_api_key", routes=(Route("DELETE", "/api-keys/{key}", doors=(Door.APPLICATION,)),),
              uses=CALLER | {Use.DELETE_API_KEYS, Use.LIST_CONNECTIONS, Use.SEND_PUSH}),
    # --- operators: the application door only, since an API key never has the scope `operate`
    Operation(name="api_admin_list_markets", routes=(operators("GET", "/admin/markets"),),
              uses=CALLER | {Use.READ_STATUS, Use.VIEWS, Use.READ_JOURNAL}),
    Operation(name="api_admin_steer_market", uses=CALLER | HALT, routes=tuple(
        operators("POST", f"/admin/markets/{{product_id}}/{move}") for move in ("halt", "resume", "auction"))),
    Operation(name="api_admin_get_health", routes=(operators("GET", "/admin/health"),),
              uses=CALLER | {Use.READ_STATUS, Use.VIEWS, Use.READ_JOURNAL, Use.WATCH_QUEUES}),
    Operation(name="api_admin_read_journal", uses=CALLER | {Use.READ_JOURNAL},
              routes=(operators("GET", "/admin/journal/{product_id}"), operators("GET", "/admin/journal/{product_id}/{seq}"))),
    Operation(name="api_admin_check_invariants", routes=(operators("GET", "/admin/invariants"),),
              uses=CALLER | {Use.READ_JOURNAL}, timeout_s=20),
    Operation(name="api_admin_list_actions", routes=(operators("GET", "/admin/actions"),), uses=CALLER),
    Operation(name="api_admin_read_accounts", uses=CALLER,
              routes=(operators("GET", "/admin/accounts"), operators("GET", "/admin/accounts/{account_id}"))),
    Operation(name="api_admin_change_account", uses=CALLER, routes=tuple(
        operators("POST", f"/admin/accounts/{{account_id}}/{move}") for move in ("freeze", "unfreeze", "tier"))),
    Operation(name="api_admin_decide_withdrawals", uses=CALLER, routes=(
        operators("GET", "/admin/withdrawals"), operators("POST", "/admin/withdrawals/{transfer_id}/approve"),
        operators("POST", "/admin/withdrawals/{transfer_id}/refuse"))),
    Operation(name="api_admin_decide_adjustments", uses=CALLER, routes=(
        operators("GET", "/admin/adjustments"), operators("POST", "/admin/adjustments"),
        operators("POST", "/admin/adjustments/{adjustment_id}/approve"),
        operators("POST", "/admin/adjustments/{adjustment_id}/refuse"))),
    Operation(name="api_admin_get_fees", routes=(operators("GET", "/admin/fees"),), uses=CALLER),
    Operation(name="api_admin_set_custody_secret", routes=(operators("POST", "/admin/custody-secret"),),
              uses=CALLER | {Use.WRITE_CUSTODY_SECRET}),
    # --- identity
    Operation(name="auth_confirm_sandbox_user", cognito_trigger="preSignUp", sandbox_only=True, memory_mb=128,
              timeout_s=5),
    # --- engine
    # One per market: nothing may match two markets in one environment, and a market's function can append to its own
    # journal only. Two warm environments: the one that holds the book, and one for when Lambda recycles it.
    Operation(name="engine_match_orders", queue=Queue.COMMANDS, per_market=True, provisioned=2, memory_mb=HOT_MB,
              timeout_s=10,
              uses=HALT | {Use.APPEND_JOURNAL, Use.READ_SNAPSHOTS, Use.SEND_NUDGES, Use.CORE}),
    Operation(name="engine_send_ticks", every_minutes=1, uses=frozenset({Use.SEND_COMMANDS}), memory_mb=256),
    # Watches for up to a minute while a switch runs out within it; see its head.
    Operation(name="engine_cancel_after", every_minutes=1, uses=frozenset({Use.DATABASE, Use.SEND_COMMANDS}),
              memory_mb=512, timeout_s=75),
    Operation(name="engine_snapshot_book", every_minutes=5, memory_mb=HOT_MB, timeout_s=120,
              uses=HALT | {Use.READ_JOURNAL, Use.READ_SNAPSHOTS, Use.WRITE_SNAPSHOTS, Use.CORE}),
    Operation(name="engine_halt_market", queue=Queue.COMMANDS_DEAD, uses=HALT, memory_mb=256),
    # --- ledger
    Operation(name="ledger_settle_fills", queue=Queue.SETTLE, uses=HALT | {Use.DATABASE, Use.READ_JOURNAL},
              memory_mb=HOT_MB, timeout_s=20),
    Operation(name="ledger_send_withdrawals", every_minutes=1, uses=frozenset({Use.DATABASE}), timeout_s=50),
    Operation(name="ledger_migrate_schema", at_deploy=True, uses=frozenset({Use.DATABASE}), timeout_s=300),
    # --- audit
    Operation(name="audit_sweep_orders", every_minutes=1,
              uses=frozenset({Use.DATABASE, Use.READ_JOURNAL, Use.SEND_COMMANDS}),
              timeout_s=50),
    Operation(name="audit_check_ledger", every_minutes=1, uses=HALT | {Use.DATABASE, Use.READ_JOURNAL},
              memory_mb=1024, timeout_s=55),
    Operation(name="audit_replay_journal", every_minutes=1, uses=HALT | {Use.DATABASE, Use.READ_JOURNAL, Use.CORE},
              memory_mb=HOT_MB, timeout_s=58),
    Operation(name="audit_prove_liabilities", daily_at="00:05", uses=frozenset({Use.DATABASE}), memory_mb=HOT_MB,
              timeout_s=900),
    Operation(name="audit_measure_markets", every_minutes=1,
              uses=frozenset({Use.READ_STATUS, Use.VIEWS, Use.DATABASE, Use.READ_JOURNAL})),
    Operation(name="audit_check_whole_ledger", daily_at="03:20", uses=HALT | {Use.DATABASE}, timeout_s=900),
    # --- feed
    Operation(name="feed_publish", queue=Queue.FEED, memory_mb=HOT_MB, timeout_s=20,
              uses=HALT | {Use.VIEWS, Use.DATABASE, Use.READ_JOURNAL, Use.SEND_PUSH, Use.LIST_CONNECTIONS}),
    Operation(name="feed_record_candles", every_minutes=1, uses=frozenset({Use.DATABASE, Use.READ_JOURNAL}),
              timeout_s=55),
    # Runs for a minute, and only while somebody listens to what the clock moves; the schedule sees to it that it does.
    Operation(name="feed_beat", queue=Queue.BEAT, every_minutes=1, timeout_s=75, memory_mb=256,
              uses=frozenset({Use.VIEWS, Use.SEND_FEED, Use.SEND_BEAT})),
    Operation(name="feed_rebuild_views", by_hand=True, timeout_s=900, memory_mb=1024,
              uses=frozenset({Use.VIEWS, Use.DATABASE, Use.READ_JOURNAL, Use.SEND_FEED})),
    Operation(name="feed_sweep_connections", every_minutes=1, timeout_s=55, uses=frozenset({
        Use.LOOK_FOR_CONNECTIONS, Use.LIST_CONNECTIONS, Use.FORGET_CONNECTIONS, Use.SEND_FEED})),
    # Outside the VPC, and so without the ledger: @connections is reached over the internet only.
    Operation(name="feed_push", queue=Queue.PUSH, memory_mb=1024, timeout_s=20,
              uses=frozenset({Use.POST_TO_CONNECTIONS, Use.END_CONNECTIONS, Use.FORGET_CONNECTIONS, Use.SEND_FEED})),
    # --- WebSocket: these answer by posting, as feed_push does, and so stand outside, too
    Operation(name="ws_connect", websocket_route="$connect", uses=frozenset({Use.OPEN_CONNECTIONS}), memory_mb=256),
    Operation(name="ws_disconnect", websocket_route="$disconnect", memory_mb=256,
              uses=frozenset({Use.FORGET_CONNECTIONS, Use.SEND_FEED})),
    # A token is checked against the pool's public keys, which are on the internet.
    Operation(name="ws_subscribe", websocket_route="subscribe", memory_mb=1024,
              uses=frozenset({Use.POST_TO_CONNECTIONS, Use.END_CONNECTIONS, Use.CHANGE_CONNECTIONS, Use.SEND_FEED,
                              Use.SEND_BEAT, Use.READ_API_KEYS, Use.USER_POOL})),
    Operation(name="ws_unsubscribe", websocket_route="unsubscribe", memory_mb=512,
              uses=frozenset({Use.POST_TO_CONNECTIONS, Use.CHANGE_CONNECTIONS, Use.SEND_FEED})),
    Operation(name="ws_default", websocket_route="$default", uses=frozenset({Use.POST_TO_CONNECTIONS}), memory_mb=256),
)

BY_NAME = {operation.name: operation for operation in OPERATIONS}
assert len(BY_NAME) == len(OPERATIONS), "two operations have one name"


def lane(name: str, *, sandbox: bool) -> list[Operation]:
    """The operations of a lane that exist in this kind of stage, in the table's order."""
    return [operation for operation in OPERATIONS
            if operation.lane == name and (sandbox or not operation.sandbox_only)]
