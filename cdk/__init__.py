"""The cloud: constructs and stacks, all made from the table in `cdk/operations.py`."""

import os

# aws_cdk runs on Node, which speaks up about its age in eleven lines at every start; 20 is what the machines have.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
