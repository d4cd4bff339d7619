"""Keys kept in the process: how old they may be, and what is read when. DynamoDB and KMS by moto; the clock is the test's."""

from collections.abc import Callable

import boto3
import pytest
from moto import mock_aws
from pynamodb.connection import Connection
from pynamodb.exceptions import GetError, PynamoDBException

from exchange.adapters import api_keys
from exchange.adapters.api_keys import MAX_AGE_S, create_key, delete_key, find_key


@pytest.fixture(scope="module")
def table():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        for model in (api_keys._Row, api_keys._Owner):
            patch.setattr(model.Meta, "table_name", "api-keys")
            patch.setattr(model, "_connection", None)
        api_keys._kms.cache_clear()
        with mock_aws():
            boto3.client("dynamodb").create_table(
                TableName="api-keys", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}])
            patch.setenv("API_KEY_KMS_KEY_ID", boto3.client("kms").create_key()["KeyMetadata"]["KeyId"])
            yield
        api_keys._kms.cache_clear()


class World:
    """`calls`: what was asked of DynamoDB, as (operation, ids); `decrypted`: the ids whose secrets were. `answer`, when set,
    takes the place of the table: it is given the operation, what is asked and the table's own answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.calls: list[tuple[str, list[str]]] = []
        self.decrypted: list[str] = []
        self.answer = None
        dispatch, decrypt = Connection.dispatch, api_keys.decrypt

        def counted(connection: Connection, operation: str, asked: dict) -> dict:
            if operation in ("GetItem", "BatchGetItem"):
                of_table = asked["RequestItems"]["api-keys"] if operation == "BatchGetItem" else asked
                assert of_table["ConsistentRead"] is True
                ids = [row["key"]["S"] for row in (of_table["Keys"] if operation == "BatchGetItem" else [asked["Key"]])]
                self.calls.append((operation, ids))
            found = dispatch(connection, operation, asked)
            return self.answer(operation, asked, found) if self.answer else found

        def counted_decrypt(key: str, blob: bytes) -> str:
            self.decrypted.append(key)
            return decrypt(key, blob)

        monkeypatch.setattr(Connection, "dispatch", counted)
        monkeypatch.setattr(api_keys, "decrypt", counted_decrypt)
        monkeypatch.setattr(api_keys.time, "monotonic", lambda: self.now)

    def keys(self, count: int) -> list[str]:
        """New keys, each found once, at this moment."""
        made = [create_key(account=1000, user_id="u", profile_id="p", label="", scopes=frozenset({"view"}))[0]
                for _ in range(count)]
        assert [find_key(key.key) for key in made] == made
        self.calls.clear()
        return [key.key for key in made]

    def pass_s(self, seconds: float) -> None:
        self.now += seconds

    def deleted_elsewhere(self, key: str) -> None:
        found, used = dict(api_keys._found), dict(api_keys._used)
        assert delete_key(1000, key)
        api_keys._found.update(found)
        api_keys._used.clear()
        api_keys._used.update(used)
        self.calls.clear()


@pytest.fixture
def world(table, monkeypatch):
    for kept in (api_keys._found, api_keys._used, api_keys._noted):
        kept.clear()
    return World(monkeypatch)


def use(*keys: str) -> None:
    assert all(find_key(key) is not None for key in keys)


def test_a_kept_key_costs_nothing_and_is_read_again_when_it_is_old(world: World) -> None:
    [key] = world.keys(1)
    world.pass_s(MAX_AGE_S - 0.01)
    use(key, key)
    assert world.calls == []
    world.pass_s(0.01)
    use(key, key)
    assert world.calls == [("BatchGetItem", [key])] and world.decrypted == [key], "its secret is decrypted once"


def test_after_a_pause_all_keys_in_use_come_with_one_request(world: World) -> None:
    keys = world.keys(8)
    use(*keys)
    world.pass_s(60)
    use(*keys, *reversed(keys))
    [(operation, ids)] = world.calls
    assert operation == "BatchGetItem" and ids == keys
    # Read together, they grow old together.
    world.pass_s(MAX_AGE_S)
    use(*reversed(keys))
    assert [sorted(ids) for _, ids in world.calls] == [sorted(keys)] * 2
    assert len(world.decrypted) == 8


def test_only_keys_that_are_used_and_soon_old_are_read_along(world: World) -> None:
    old, unused, soon = world.keys(3)
    world.pass_s(2)
    [young] = world.keys(1)
    use(old, soon, young)
    world.pass_s(MAX_AGE_S - 2 - 0.01)
    use(soon)
    assert world.calls == []
    world.pass_s(0.01 + 2 - 0.5)  # the youngest is 4.5 s old, which is nearly old
    use(old)
    assert world.calls == [("BatchGetItem", [old, soon, young])]
    world.pass_s(MAX_AGE_S / 2 - 0.01)
    use(old, soon, young)
    use(unused)
    assert world.calls[1:] == [("BatchGetItem", [unused])], "the others are too young"


def test_no_more_than_a_hundred_at_once_those_that_wait_longest_first(world: World) -> None:
    keys = world.keys(120)
    use(*keys)
    world.pass_s(MAX_AGE_S)
    use(keys[110])
    use(*keys)
    assert [len(ids) for _, ids in world.calls] == [100, 20]
    assert world.calls[0][1] == [keys[110], *keys[:99]]
    assert sorted(ids := [*world.calls[0][1], *world.calls[1][1]]) == sorted(keys) and len(set(ids)) == 120


def test_a_deleted_key_stops_whoever_asks_for_the_others(world: World) -> None:
    key, gone, also_gone = world.keys(3)
    use(key, gone, also_gone)
    world.deleted_elsewhere(gone)
    world.deleted_elsewhere(also_gone)
    world.pass_s(MAX_AGE_S)
    assert find_key(gone) is None
    assert world.calls == [("BatchGetItem", [gone, key, also_gone])]
    assert find_key(also_gone) is None and find_key(gone) is None, "and is asked for each time, for it may be new"
    assert world.calls[1:] == [("GetItem", [also_gone]), ("GetItem", [gone])]
    assert not {gone, also_gone} & {*api_keys._found, *api_keys._used}


def test_a_key_read_along_is_no_older_than_it_may_be(world: World) -> None:
    """Deleted right after it was read along: it stops when that reading is MAX_AGE_S old, whatever was read before."""
    key, along = world.keys(2)
    use(along)
    world.pass_s(MAX_AGE_S)
    use(key)
    world.deleted_elsewhere(along)
    world.pass_s(MAX_AGE_S - 0.01)
    use(along)
    world.pass_s(0.01)
    assert find_key(along) is None


@pytest.mark.parametrize("key", ["0" * 32, "f" * 31, "account:1000", "custody:notices", "", "A" * 32, "\ud800"])
def test_what_is_no_key_is_not_kept(world: World, key: str) -> None:
    assert find_key(key) is None and find_key(key) is None
    assert world.calls == ([("GetItem", [key])] * 2 if key == "0" * 32 else [])
    assert not api_keys._found and not api_keys._used


def leaving_unanswered(places: slice) -> Callable[[str, dict, dict], dict]:
    """For `World.answer`: the table answers a BatchGetItem but for the keys at these places of what is asked."""
    def answer(operation: str, asked: dict, found: dict) -> dict:
        if operation == "BatchGetItem":
            left = asked["RequestItems"]["api-keys"]["Keys"][places]
            ids = [row["key"] for row in left]
            found["Responses"]["api-keys"] = [row for row in found["Responses"]["api-keys"] if row["key"] not in ids]
            found["UnprocessedKeys"] = {"api-keys": {"Keys": left, "ConsistentRead": True}} if left else {}
        return found
    return answer


def test_what_the_table_leaves_unanswered_is_not_refreshed(world: World) -> None:
    key, along = world.keys(2)
    use(along)
    world.answer = leaving_unanswered(slice(1, None))
    world.pass_s(MAX_AGE_S - 1)
    use(along)
    world.pass_s(1)
    use(key)
    assert world.calls == [("BatchGetItem", [key, along])]
    use(along)  # as old as it was: read for itself
    assert world.calls[1:] == [("BatchGetItem", [along])]


def test_a_key_that_was_left_unanswered_itself_is_asked_for_alone(world: World) -> None:
    key, along = world.keys(2)
    use(along)
    world.answer = leaving_unanswered(slice(1))
    world.pass_s(MAX_AGE_S)
    use(key, along)
    assert world.calls == [("BatchGetItem", [key, along]), ("GetItem", [key])]
    world.deleted_elsewhere(key)
    world.pass_s(MAX_AGE_S)
    assert find_key(key) is None and key not in api_keys._found


def test_a_table_that_does_not_answer_lets_nobody_in_and_forgets_nothing(world: World) -> None:
    key, along = world.keys(2)
    use(along)

    def away(*_: object) -> dict:
        raise GetError("the table does not answer")

    world.answer = away
    world.pass_s(MAX_AGE_S)
    for each in (key, along):
        with pytest.raises(PynamoDBException):
            find_key(each)
    world.answer = None
    use(key, along)
    assert sorted(world.decrypted) == sorted([key, along])


def test_no_more_keys_are_kept_than_there_is_room_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "_KEPT", 3)
    keys = world.keys(3)
    use(*keys)
    [one_more] = world.keys(1)
    assert [*api_keys._found] == [one_more] and not api_keys._used
    use(*keys)
    assert [operation for operation, _ in world.calls] == ["GetItem"] * 3
