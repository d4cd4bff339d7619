"""`python -m openapi`: writes the document."""

from openapi.document import FILE, as_text

FILE.write_text(as_text(), encoding="utf-8")
print(f"openapi: wrote {FILE}")
