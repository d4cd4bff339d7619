"""The public feed, pure: from journal entries to views, messages and who gets them. Knows no Redis and no gateway.

    orders       a live order as the feed remembers it          levels      one side of the level 2 book, and its checksum
    statistics   24 h and 30 d figures from minute buckets      state       a market's views, moved by journal entries
    messages     the JSON of every channel                      requests    what a client may ask for
    routing      which connection gets which message            publisher   the batch of a market's feed queue
"""
