"""The benchmarks; each is a module to run (`make help` lists them)."""

from local.addresses import find_domain

find_domain()
