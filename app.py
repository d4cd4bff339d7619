"""The CDK app: `cdk deploy`, `cdk synth`. Options are context, see `cdk/settings.py`."""

from cdk.stacks import main

main()
