"""The three Lambda layers, from what `layers/build.py` built.

Every stack makes its own: a layer version is replaced whenever its content changes, and CloudFormation refuses to
change an export that another stack imports, so a layer shared between stacks could never be updated.
"""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.operations import Operation, Use
from cdk.settings import ROOT, Settings
from layers.build import build_dependencies, build_exchange, build_matching


class Layers(Construct):
    """`of(operation)` answers the layers of a function."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        if settings.local:
            # The local runtime imports the sources and the environment's packages; nothing is built for it.
            empty = ROOT / "build" / "layers" / "empty"
            empty.mkdir(parents=True, exist_ok=True)
            folders = {"Exchange": empty, "Dependencies": empty, "Matching": empty}
        else:
            target = {"architecture": settings.architecture, "python": settings.python}
            folders = {"Exchange": build_exchange(), "Dependencies": build_dependencies(**target),
                       "Matching": build_matching(**target)}
        architecture = (lambda_.Architecture.ARM_64 if settings.architecture == "arm64"
                        else lambda_.Architecture.X86_64)
        runtime = lambda_.Runtime(f"python{settings.python}", lambda_.RuntimeFamily.PYTHON)
        self._layers = {
            name: lambda_.LayerVersion(
                self, name, code=lambda_.Code.from_asset(str(folder)), compatible_runtimes=[runtime],
                compatible_architectures=[architecture], removal_policy=RemovalPolicy.DESTROY)
            for name, folder in folders.items()}

    def of(self, operation: Operation) -> list[lambda_.ILayerVersion]:
        names = ["Exchange", "Dependencies"] + (["Matching"] if Use.CORE in operation.uses else [])
        return [self._layers[name] for name in names]
