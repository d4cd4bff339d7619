"""One request, and its answer whatever the status: what is refused is an answer too."""

import urllib.error
import urllib.request
from email.message import Message


def answer_to(request: urllib.request.Request, within_s: float) -> tuple[int, Message, bytes]:
    """Status, headers and body."""
    try:
        answer = urllib.request.urlopen(request, timeout=within_s)
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        return answer.status, answer.headers, answer.read()
