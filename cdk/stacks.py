"""The stacks: Data keeps, Trading matches and tells, Api answers, Operators steers, Web shows. They only wire constructs.

Several and not one, for the limit of 500 resources per stack (a market costs Trading 15), and so that what keeps
state is deployed apart from what changes daily. References go one way: Web and Operators -> Api -> Trading -> Data.
"""

from aws_cdk import Acknowledgment, App, CfnOutput, CfnParameter, Environment, Fn, Stack, Tags, Validations
from constructs import Construct

from cdk.alarms import Alarms, DoorAlarms
from cdk.api import Api, Operators
from cdk.audit import Audit
from cdk.data import DATABASE_NAME, DATABASE_USER, VALKEY_PORTS, Cache, Database, Network, Tables, Vault
from cdk.emulator import Emulator
from cdk.engine import Engine
from cdk.feed import STAGE, Feed, FeedApi
from cdk.functions import check_handlers_exist
from cdk.identity import Identity
from cdk.lane import Lane
from cdk.layers import Layers
from cdk.ledger import Ledger
from cdk.operations import Door
from cdk.queues import Queues
from cdk.settings import CONTEXT_NAMES, Settings
from cdk.web import Screen
from cdk.wiring import Resources, Wiring


class DataStack(Stack):
    """Network, databases, tables, bucket, keys, users."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, **kwargs) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.sandbox, **kwargs)
        self._settings = settings
        emulator = Emulator(self)
        dsn = CfnParameter(self, "EmulatorDatabaseDsn", default="", description="PostgreSQL, where there is no Aurora")
        redis = CfnParameter(self, "EmulatorRedisUrl", default="", description="Valkey, where there is no ElastiCache")
        self.network = Network(self, "Network", settings=settings)
        database_group = self.network.server_security_group("DatabaseServer", description="Aurora", ports=(5432,))
        cache_group = self.network.server_security_group("CacheServer", description="Valkey", ports=VALKEY_PORTS)
        database = Database(self, "Database", settings=settings, network=self.network, security_group=database_group)
        cache = Cache(self, "Cache", settings=settings, network=self.network, security_group=cache_group)
        for scope_ in (self.network.endpoints, database_group, cache_group, database, cache):
            emulator.cloud_only(scope_)
        self.tables = Tables(self, "Tables", settings=settings)
        self.vault = Vault(self, "Vault", settings=settings)
        for scope_ in self.vault.emptying:
            emulator.cloud_only(scope_)
        self.identity = Identity(self, "Identity", settings=settings)
        endpoint = database.cluster.cluster_endpoint
        self.database_dsn = self._export("DatabaseDsn", emulator.choose(
            cloud=f"host={endpoint.hostname} port=5432 dbname={DATABASE_NAME} user={DATABASE_USER} sslmode=require",
            emulated=dsn.value_as_string))
        self.database_iam_auth = self._export("DatabaseIamAuth", emulator.choose(cloud="1", emulated="0"))
        self.database_user_arn = self._export("DatabaseUserArn", emulator.choose(
            cloud=database.user_arn, emulated="arn:aws:rds-db:us-east-1:000000000000:dbuser:none/none"))
        self.redis_url = self._export("RedisUrl", emulator.choose(cloud=cache.url, emulated=redis.value_as_string))
        CfnOutput(self, "UserPoolId", value=self.identity.pool.user_pool_id)
        CfnOutput(self, "UserPoolClientId", value=self.identity.client.user_pool_client_id)

        emulator.providers_cloud_only()
        Validations.of(self).acknowledge(Acknowledgment(
            id="CloudFormation-Validate::W1001",
            reason="Outputs name Aurora and Valkey inside an Fn::If of the very condition that makes them"))

    def _export(self, name: str, value: str) -> str:
        """What another stack reads instead of `value`: a value with an Fn::If cannot cross stacks by reference."""
        export_name = f"{self._settings.prefix}{name}"
        CfnOutput(self, name, value=value, export_name=export_name)
        return Fn.import_value(export_name)


class TradingStack(Stack):
    """Queues, engine, ledger, feed, audit and their alarms."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, data: DataStack, **kwargs) -> None:
        super().__init__(scope, construct_id, **kwargs)
        # Its exports are read by name, which CDK does not see as a reference.
        self.add_stack_dependency(data)
        emulator = Emulator(self)
        queues = Queues(
            self, "Queues", settings=settings, command_url_prefix=(
                f"https://sqs.{self.region}.{self.url_suffix}/{self.account}/{settings.prefix}commands-"))
        feed_api = FeedApi(self, "FeedApi", settings=settings, emulator=emulator)
        self.wiring = Wiring(settings=settings, resources=Resources(
            vpc=data.network.vpc, function_security_group=data.network.function_security_group,
            database_dsn=data.database_dsn, database_iam_auth=data.database_iam_auth,
            database_user_arn=data.database_user_arn, redis_url=data.redis_url, journal=data.tables.journal,
            connections=data.tables.connections, api_keys=data.tables.api_keys,
            market_status=data.tables.market_status, snapshots=data.vault.snapshots,
            api_key_secrets=data.vault.api_key_secrets, user_pool_id=data.identity.pool.user_pool_id,
            user_pool_client_id=data.identity.client.user_pool_client_id, queues=queues,
            connections_endpoint=feed_api.connections_endpoint, connections_arns=feed_api.connections_arns))
        lane = Lane(settings=settings, wiring=self.wiring, layers=Layers(self, "Layers", settings=settings))
        engine = Engine(self, "Engine", lane=lane, markets=settings.markets)
        ledger = Ledger(self, "Ledger", lane=lane, emulator=emulator)
        audit = Audit(self, "Audit", lane=lane)
        feed = Feed(self, "Feed", lane=lane, feed_api=feed_api)
        self.alarms = Alarms(self, "Alarms", settings=settings, queues=queues, engine=engine, ledger=ledger,
                             audit=audit, feed=feed, journal=data.tables.journal)
        emulator.providers_cloud_only()
        self.feed_origin = f"wss://{feed_api.api.api_id}.execute-api.{self.region}.{self.url_suffix}"
        self.feed_url = f"{self.feed_origin}/{STAGE}"
        CfnOutput(self, "FeedUrl", value=self.feed_url)


class ApiStack(Stack):
    """The two doors and the functions behind them."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, data: DataStack,
                 trading: TradingStack, **kwargs) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.add_stack_dependency(trading)
        lane = Lane(settings=settings, wiring=trading.wiring, layers=Layers(self, "Layers", settings=settings))
        api = Api(self, "Api", lane=lane, pool=data.identity.pool, client=data.identity.client)
        DoorAlarms(self, "Alarms", settings=settings, api=api, topic=trading.alarms.topic)
        self.application = api.doors[Door.APPLICATION]
        self.application_url = self.application.api.api_endpoint


class OperatorsStack(Stack):
    """The operators' functions, behind the application door of the api stack; see docs/adr/0014."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, trading: TradingStack, api: ApiStack,
                 **kwargs) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.add_stack_dependency(api)
        lane = Lane(settings=settings, wiring=trading.wiring, layers=Layers(self, "Layers", settings=settings))
        Operators(self, "Operators", lane=lane, application=api.application)


class WebStack(Stack):
    """The screen, in the cloud only: on one machine the gateway serves it."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, data: DataStack, trading: TradingStack,
                 api: ApiStack, **kwargs) -> None:
        super().__init__(scope, construct_id, **kwargs)
        emulator = Emulator(self)
        screen = Screen(
            self, "Screen", settings=settings, api=api.application_url, feed_origin=trading.feed_origin, feed=trading.feed_url,
            user_pool_id=data.identity.pool.user_pool_id, user_pool_client_id=data.identity.client.user_pool_client_id)
        emulator.cloud_only(screen)
        CfnOutput(self, "ScreenUrl", value=screen.url, condition=emulator.in_cloud)
        emulator.providers_cloud_only()


def build(app: App, *, settings: Settings) -> list[Stack]:
    """All stacks of one stage. Raises BadSettings when an operation of the table has no handler.

    No account is named: one template for all, and no look-up of availability zones at synth.
    """
    check_handlers_exist(settings)
    env = Environment(region=settings.region)
    name = f"Exchange-{settings.stage}-"
    data = DataStack(app, name + "Data", settings=settings, env=env)
    trading = TradingStack(app, name + "Trading", settings=settings, data=data, env=env)
    api = ApiStack(app, name + "Api", settings=settings, data=data, trading=trading, env=env)
    operators = OperatorsStack(app, name + "Operators", settings=settings, trading=trading, api=api, env=env)
    web = WebStack(app, name + "Web", settings=settings, data=data, trading=trading, api=api, env=env)
    Tags.of(app).add("lambda-exchange:stage", settings.stage)
    return [data, trading, api, operators, web]


def main() -> None:
    """What `app.py` runs under the CDK's command line."""
    app = App()
    context = {name: app.node.try_get_context(name) for name in CONTEXT_NAMES}
    build(app, settings=Settings.from_context({name: value for name, value in context.items() if value is not None}))
    app.synth()
