"""The OpenAPI document of both doors, made from the table of operations, the handlers' own text, and models of what goes in
and out.

`python -m openapi` writes `functions/api_get_openapi/openapi.json`, which is checked in, served at `/openapi.json`, and
compared by a test. `reading` finds in the source what a handler reads from its request; `models` says what bodies look like;
`document` puts them together. Nothing of this is in a Lambda function: what is served is the file.
"""
