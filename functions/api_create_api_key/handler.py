"""POST /api-keys: makes a key for the trading API. Its secret and passphrase are in this answer and nowhere else."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from exchange.adapters.api_keys import create_key, list_keys
from exchange.api.addresses import parse_range
from exchange.api.door import operation
from exchange.api.errors import BadRequest
from exchange.api.request import Request

MAX_KEYS = 20


class NewKey(BaseModel):
    """The body. Without scopes the key may do all that keys can, without allowed addresses from everywhere; without a
    passphrase one is drawn."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: Annotated[str, Field(max_length=64)] = ""
    scopes: Annotated[list[Literal["view", "trade", "transfer"]], Field(min_length=1, max_length=3)] = ["view", "trade",
                                                                                                        "transfer"]
    passphrase: Annotated[str, Field(min_length=6, max_length=64, pattern=r"^[!-~]+$")] | None = None
    allowed_addresses: Annotated[list[Annotated[str, Field(max_length=64), AfterValidator(parse_range)]],
                                 Field(max_length=20)] = []


@operation(scope="keys")
def lambda_handler(request: Request) -> dict:
    """`key, secret, passphrase, label, scopes, allowed_addresses, created_at`."""
    try:
        wanted = NewKey.model_validate(request.json())
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}", "invalid_api_key_request") from None
    caller = request.caller
    if len(list_keys(caller.account)) >= MAX_KEYS:
        raise BadRequest(f"an account has at most {MAX_KEYS} keys; delete one first", "too_many_api_keys")
    key, passphrase = create_key(account=caller.account, user_id=caller.user_id, profile_id=caller.profile_id,
                                 label=wanted.label, scopes=frozenset(wanted.scopes), passphrase=wanted.passphrase,
                                 allowed_addresses=tuple(sorted(set(wanted.allowed_addresses))))
    return {"key": key.key, "secret": key.secret, "passphrase": passphrase, "label": key.label,
            "scopes": sorted(key.scopes), "allowed_addresses": list(key.allowed_addresses), "created_at": key.created_at}
