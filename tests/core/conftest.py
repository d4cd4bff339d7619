"""Builds the C core before its tests, so that they never run on a library older than the sources."""

from matching_core.build import build

build()
