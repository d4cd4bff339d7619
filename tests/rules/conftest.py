"""`book`: an empty book of each core, so that every rule runs on the C core and on the naive core."""

import pytest

from matching_core import Book
from matching_core.naive import NaiveBook


@pytest.fixture(params=[Book, NaiveBook], ids=["c", "naive"])
def book(request):
    return request.param.create(orders=8)
