"""The two kinds of failure that are not a rejection.

A *rejection* is an answer (a code that the trader sees). A *retryable fault* is a service that failed: the caller tries
again, and nothing was decided. A *broken invariant* is our own mistake: the market halts and an alarm rings, because
going on would move money on false grounds. The three are never mixed.
"""


class RetryableFault(Exception):
    """A service failed or is out of reach. The same call may be made again; the API's answer is 503."""


class BrokenInvariant(Exception):
    """Something that is true by construction is false (I1 to I10). `str(error)` names the invariant and the rows."""
