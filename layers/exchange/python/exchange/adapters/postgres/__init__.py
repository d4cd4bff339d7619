"""The ledger in PostgreSQL: schema, placement, settlement, reads. Money moves here and nowhere else."""
