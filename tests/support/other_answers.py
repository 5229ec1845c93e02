"""What is answered instead of what was asked for, and how often."""

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>"
PAGE = b"<html><head><title>Welcome</title></head><body><p>Please log in to this network.</p></body></html>"
"""XML too, so that a parser alone takes it for an answer without content."""


def times(number: int, trouble: str, method: str):
    """Trouble for the first so many requests with that method."""
    left = [number]

    def decide(environ):
        if environ["REQUEST_METHOD"] != method or left[0] == 0:
            return None
        left[0] -= 1
        return trouble

    return decide
