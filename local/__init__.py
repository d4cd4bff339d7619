"""The whole exchange on one machine: another cloud, not another application.

Runs the handlers of `functions/` unchanged, wired from the synthesised CloudFormation template: routes, authorizers,
queues, event source mappings, schedules, environment, memory and timeouts exist once, in `cdk/`. Real PostgreSQL, real
Valkey and an emulator of the small AWS services stand behind them. `python -m local run` is the entry.
"""
