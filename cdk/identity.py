"""The user pool, its client and groups; in the sandbox also the trigger that confirms a sign-up without an e-mail."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from cdk.functions import OperationFunction
from cdk.operations import lane
from cdk.settings import Settings

GROUPS = (("traders", "Everybody who trades"), ("operators", "May halt, resume and approve"))


class Identity(Construct):
    """`pool` and `client`: users sign in with SRP, or with their password over TLS where a script does."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.pool = cognito.UserPool(
            self, "Pool", user_pool_name=f"{settings.prefix}users", self_sign_up_enabled=True,
            sign_in_aliases=cognito.SignInAliases(email=True), sign_in_case_sensitive=False,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            standard_attributes=cognito.StandardAttributes(email=cognito.StandardAttribute(required=True, mutable=True)),
            password_policy=cognito.PasswordPolicy(min_length=12, require_symbols=False),
            mfa=cognito.Mfa.OPTIONAL, mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            deletion_protection=not settings.sandbox,
            removal_policy=RemovalPolicy.DESTROY if settings.sandbox else RemovalPolicy.RETAIN)
        for name, description in GROUPS:
            cognito.CfnUserPoolGroup(self, name.capitalize(), user_pool_id=self.pool.user_pool_id, group_name=name,
                                     description=description)
        self.client = self.pool.add_client(
            "Client", auth_flows=cognito.AuthFlow(user_srp=True, user_password=True), generate_secret=False,
            prevent_user_existence_errors=True, enable_token_revocation=True, disable_o_auth=True,
            access_token_validity=Duration.hours(1), id_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(30))
        for operation in lane("auth", sandbox=settings.sandbox):
            trigger = OperationFunction(self, operation.name, operation=operation, settings=settings, wiring=None,
                                        layers=None)
            self.pool.add_trigger(cognito.UserPoolOperation.of(operation.cognito_trigger), trigger.function)
