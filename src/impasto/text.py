"""Text from strangers, made fit to print."""

__all__ = ["printable"]


def printable(value: object) -> str:
    """One harmless line: control characters and unpaired surrogates are written as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
