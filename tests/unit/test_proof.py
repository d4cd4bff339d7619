"""The proof of liabilities: the documented verification on real proofs, what it refuses, and the snapshot it is taken from."""

import re
import threading
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.adapters.postgres import audit_runs, proofs
from exchange.adapters.postgres.accounts import open_account
from exchange.faults import RetryableFault
from exchange.liabilities import NODE, leaf, levels_of, parent, root_of, siblings_of
from exchange.markets import listing

ROOT = Path(__file__).resolve().parents[2]
CODE = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "PROOF.md").read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture(scope="module")
def verify():
    """The function in docs/PROOF.md, as it stands there."""
    names = {}
    exec(compile(CODE, "docs/PROOF.md", "exec"), names)
    return names["verify"]


def mine(api, user, currency="USD"):
    return api.call("api_get_own_proof", user=user, parameters={"currency": currency})


def test_the_documented_verification_is_short():
    assert len([line for line in CODE.splitlines() if line.strip()]) <= 22


def test_a_user_finds_their_balance_in_the_published_total(api, verify):
    balances = {"ann": "1000", "bob": "0.00000001", "carl": "250000", "dora": "3.5", "emil": "77"}
    for user, amount in balances.items():
        api.fund(user, USD=amount)
    api.fund("ann", BTC="2")
    api.call("api_list_accounts", user="none")
    api.place("ann")  # what an order holds is owed all the same
    taken = api.load("audit_prove_liabilities").lambda_handler({}, None)
    assert taken["totals"]["USD"] == (5, "251080.50000001")
    published = api.call("api_get_proof").body
    assert {row["currency"]: row["accounts"] for row in published["currencies"]} == {
        asset: {"USD": 5, "BTC": 1}.get(asset, 0) for asset in listing().assets}
    assert set(published) == {"taken_at", "journals", "currencies"}
    for user, amount in balances.items():
        own = mine(api, user).body
        assert Decimal(own["balance"]) == Decimal(amount)
        verify(published, own)
    verify(published, mine(api, "ann", "BTC").body)
    for user, currency in (("none", "USD"), ("bob", "BTC")):
        answer = mine(api, user, currency)
        assert (answer.status, answer.body["code"]) == (404, "no_proof")
    [run] = audit_runs.last_runs()
    assert (run["audit"], run["result"], run["rows_checked"]) == ("audit_prove_liabilities", "passed", 6)


def test_what_was_tampered_with_is_refused(api, verify):
    for number in range(7):
        api.fund(f"user {number}", USD=str(10 + number))
    api.load("audit_prove_liabilities").lambda_handler({}, None)
    published, own = api.call("api_get_proof").body, mine(api, "user 3").body
    verify(published, own)
    steps = own["path"]
    lies = [own | {"balance": "14.00000000"}, own | {"nonce": "00" * 16}, own | {"account": str(UUID(int=1))},
            own | {"path": steps[:-1]}, own | {"path": steps[::-1]}, own | {"currency": "BTC"},
            own | {"path": [steps[0] | {"sum": str(int(steps[0]["sum"]) - 1)}, *steps[1:]]},
            own | {"path": [steps[0] | {"side": {"left": "right", "right": "left"}[steps[0]["side"]]}, *steps[1:]]}]
    for lie in lies:
        with pytest.raises(ValueError, match="not in the published total"):
            verify(published, lie)
    with pytest.raises(OverflowError):  # a branch that counts as negative cannot be written down
        verify(published, own | {"path": [steps[0] | {"sum": "-1"}, *steps[1:]]})
    for row in published["currencies"]:
        row["total"] = "0.00000000"
    with pytest.raises(ValueError, match="not in the published total"):
        verify(published, own)


def test_before_the_first_proof_there_is_none(api):
    for answer in (api.call("api_get_proof"), mine(api, "ann")):
        assert (answer.status, answer.body["code"]) == (404, "no_proof")


@pytest.mark.parametrize("currency", ["", "usd", "XXX", "../accounts", "USD'", "\x00"])
def test_unknown_currencies(api, currency):
    answer = mine(api, "ann", currency)
    assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_what_is_published_gives_no_balance_away(api):
    """Neither an account's number, nor its profile, nor a nonce stands in the published answer, and a proof of one's own has
    no more of others than hashes and sums of branches."""
    api.fund("ann", USD="5")
    api.fund("bob", USD="6")
    api.load("audit_prove_liabilities").lambda_handler({}, None)
    own = mine(api, "ann").body
    assert set(own) == {"taken_at", "balance", "root", "total", "accounts", "nonce", "path", "currency", "account"}
    [step] = own["path"]
    assert set(step) == {"side", "hash", "sum"}
    first = mine(api, "ann").body["nonce"]
    api.load("audit_prove_liabilities").lambda_handler({}, None)
    assert mine(api, "ann").body["nonce"] != first  # of two proofs nobody can tell which leaves are one account's


def test_only_the_newest_proofs_keep_their_leaves(exchange, database):
    exchange.account(USD="5")
    for number in range(4):
        proofs.take(["USD"], bytes([number]) * 32)
    assert database.execute("SELECT array_agg(DISTINCT proof) FROM liability_leaves").fetchone() == ([3, 4],)
    assert database.execute("SELECT array_agg(DISTINCT proof) FROM liability_nodes").fetchone() == ([3, 4],)
    assert database.execute("SELECT count(*) FROM liability_totals").fetchone() == (4,)


def test_many_accounts_over_several_chunks(exchange, database, verify):
    database.execute("INSERT INTO accounts (kind, user_id) SELECT 'trader', 'u' || n FROM generate_series(1, 2345) n")
    database.execute("INSERT INTO balances (account_no, asset, available, held)"
                     " SELECT account_no, 'USD', account_no * 0.00000001, 1 FROM accounts WHERE kind = 'trader'")
    taken = proofs.take(["USD"], b"s" * 32)
    accounts, total = taken.totals["USD"]
    assert accounts == 2345
    assert database.execute("SELECT sum(available + held) = %s::numeric FROM balances", (total,)).fetchone() == (True,)
    [row] = proofs.published()
    published = {"currencies": [{"currency": "USD", "total": row["total"], "root": row["root"]}]}
    for user in ("u1", "u2", "u1000", "u1001", "u2344", "u2345"):
        account, profile = open_account(user)
        found = proofs.own_leaf(account, UUID(profile), "USD")
        path = [{"side": side, "hash": node[:32].hex(), "sum": str(int.from_bytes(node[32:], "big"))}
                for side, node in found["path"]]
        verify(published, found | {"currency": "USD", "account": profile, "path": path})


def test_a_proof_is_of_one_moment(exchange, ledger_dsn):
    """Trades are settled while proofs are taken: the total of both assets is the same in every one, and it stands at the entry
    that its journal names."""
    from exchange.adapters.postgres import connection as ledger_connection

    seller, buyer = exchange.account(BTC="10"), exchange.account(USD="100000")
    stop, taken, failures = threading.Event(), [], []

    def take():
        try:
            while not stop.is_set():
                taken.append(proofs.take(["USD", "BTC"], b"s" * 32))
        except RetryableFault as error:
            failures.append(error)
        ledger_connection.close()

    thread = threading.Thread(target=take)
    thread.start()
    for _ in range(40):
        exchange.settle(exchange.place(seller, "sell", "0.01", "100"), exchange.place(buyer, "buy", "0.012", "100"))
    stop.set()
    thread.join()
    assert failures == [] and len(taken) > 1
    assert {proof.totals["BTC"] for proof in taken} <= {(1, "10.00000000"), (2, "10.00000000")}
    with psycopg.connect(ledger_dsn) as database:
        for proof in taken:
            fees, = database.execute(
                """SELECT coalesce(sum(f.fee), 0) FROM fills f WHERE f.journal_seq <= (
                   SELECT coalesce((journals->'BTC-USD'->>'seq')::bigint, 0) FROM liability_proofs WHERE number = %s)""",
                (proof.number,)).fetchone()
            assert Decimal(proof.totals["USD"][1]) == Decimal(100000) - fees


@given(st.lists(st.integers(min_value=0, max_value=2**100), min_size=1, max_size=40))
def test_every_leaf_leads_to_the_root(amounts):
    leaves = bytearray(b"".join(leaf(bytes([n]) * 16, UUID(int=n), "USD", amount) for n, amount in enumerate(amounts)))
    levels = levels_of(leaves)
    assert int.from_bytes(levels[-1][32:], "big") == sum(amounts)
    for position in range(len(amounts)):
        node = bytes(leaves[position * NODE:position * NODE + NODE])
        for level, sibling, side in siblings_of(position, len(amounts)):
            other = bytes(levels[level][sibling * NODE:(sibling + 1) * NODE])
            node = parent(other, node) if side == "left" else parent(node, other)
        assert node == bytes(levels[-1])


def test_an_empty_tree_has_a_root_that_no_leaf_leads_to():
    assert root_of(levels_of(bytearray())).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
