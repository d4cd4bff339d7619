"""A sandbox user with an API key and play money, made through the public APIs only: Cognito's and the exchange's own.

What `python -m local user` prints, and what the end-to-end tests trade with.
"""

import http.client
import json
import secrets
import urllib.error
import urllib.request
from typing import Any

import yaml
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from exchange.adapters.aws import answers
from local.addresses import REPOSITORY, Run


class Refused(Exception):
    """The exchange or its user pool refused a request of ours, or did not answer. `code`: the exchange's own."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


def make_user(run: Run, *, email: str, password: str | None = None, faucet: bool = False) -> dict[str, Any]:
    """Signs up (or in, where the user exists), makes a key, draws from the faucet what it still gives; the credentials.
    Raises Refused."""
    given, password = password, password or f"{secrets.token_urlsafe(12)}aA1"
    user_id = sign_up(run, email=email, password=password)
    if user_id is None and given is None:
        raise Refused(f"There is a user {email}. To sign in, get a token and another key, give the password: "
                      f"make user EMAIL={email} PASSWORD=...")
    token = sign_in(run, email=email, password=password)
    user_id = user_id or call(f"{run.application}/users/self/verify", token=token)["user_id"]
    credentials: dict[str, Any] = {"email": email, "password": password, "user_id": user_id, "access_token": token,
                                   "api_key": make_key(run, token), "trading_api": run.trading,
                                   "application_api": run.application, "websocket": run.websocket}
    if faucet:
        credentials["faucet"] = {}
        for currency, amount in faucet_limits().items():
            try:
                draw(run, token, currency=currency, amount=amount)
            except Refused as refused:
                if refused.code != "faucet_limit_reached":
                    raise
            else:
                credentials["faucet"][currency] = amount
    return credentials


def make_operator(run: Run, *, email: str) -> dict[str, Any]:
    """Puts a user into the group `operators`; signs one up first where there is none. The token names the groups, so a user
    who is signed in signs in again. In the cloud: docs/OPERATIONS.md. Raises Refused."""
    password = f"{secrets.token_urlsafe(12)}aA1"
    made = sign_up(run, email=email, password=password) is not None
    operators = answers.client("cognito-idp", endpoint_url=run.emulator, region_name=run.region, aws_access_key_id="local",
                               aws_secret_access_key="local", config=Config())
    try:
        operators.admin_add_user_to_group(UserPoolId=run.user_pool_id, Username=email, GroupName="operators")
    except (ClientError, BotoCoreError) as error:
        raise Refused(f"{email} was not made an operator: {_words(error)}") from None
    return {"email": email, "group": "operators"} | ({"password": password} if made else {})


def sign_up(run: Run, *, email: str, password: str) -> str | None:
    """The new user's id, or None where one with this address exists. Raises Refused."""
    cognito = _cognito(run)
    try:
        return cognito.sign_up(ClientId=run.user_pool_client_id, Username=email, Password=password,
                               UserAttributes=[{"Name": "email", "Value": email}])["UserSub"]
    except cognito.exceptions.UsernameExistsException:
        return None
    except (ClientError, BotoCoreError) as error:
        raise Refused(f"{email!r} was not signed up: {_words(error)}") from None


def sign_in(run: Run, *, email: str, password: str) -> str:
    """An access token. Raises Refused."""
    try:
        answer = _cognito(run).initiate_auth(ClientId=run.user_pool_client_id, AuthFlow="USER_PASSWORD_AUTH",
                                             AuthParameters={"USERNAME": email, "PASSWORD": password})
    except (ClientError, BotoCoreError) as error:
        raise Refused(f"{email} was not signed in: {_words(error)}") from None
    if "AuthenticationResult" not in answer:
        raise Refused(f"{email} was not signed in: the user pool asks for {answer.get('ChallengeName', 'something else')}")
    return answer["AuthenticationResult"]["AccessToken"]


def make_key(run: Run, token: str, scopes: tuple[str, ...] = ("view", "trade", "transfer")) -> dict[str, Any]:
    """A new API key, its secret included. Raises Refused."""
    return call(f"{run.application}/api-keys", token=token, method="POST", body={"scopes": list(scopes)})


def draw(run: Run, token: str, *, currency: str, amount: str) -> Any:
    """A deposit from the sandbox faucet. Raises Refused."""
    return call(f"{run.application}/deposits/faucet", token=token, method="POST",
                body={"currency": currency, "amount": amount})


def faucet_limits() -> dict[str, str]:
    """What one account may draw of each asset."""
    assets = yaml.safe_load((REPOSITORY / "markets.yaml").read_text(encoding="utf-8"))["assets"]
    return {name: row["faucet_limit"] for name, row in assets.items() if row.get("faucet_limit", "0") != "0"}


def call(url: str, *, token: str | None = None, method: str = "GET", body: Any = None) -> Any:
    """The parsed answer of a request; raises Refused with the exchange's own words."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, method=method, headers=headers,
                                     data=json.dumps(body).encode() if body is not None else None)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
        try:
            code = json.loads(text).get("code", "")
        except (ValueError, AttributeError):
            code = ""
        raise Refused(f"{method} {url}: {error.code} {text}", code) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(f"{method} {url}: {error}") from None


def _words(error: ClientError | BotoCoreError) -> str:
    """What is wrong, in the service's words where it has any."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Message") or str(error)
    return error.kwargs["report"] if isinstance(error, ParamValidationError) else str(error)


def _cognito(run: Run) -> Any:
    return answers.client("cognito-idp", endpoint_url=run.emulator, region_name=run.region,
                          config=Config(signature_version=UNSIGNED))
