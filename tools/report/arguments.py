"""What the numbers of a command line may be."""

import argparse


def port(text: str) -> int:
    """Return a port, 0 for any; raise ArgumentTypeError for what is none."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return number


def positive(text: str) -> float:
    """Return a number above 0; raise ArgumentTypeError for any other."""
    number = float(text)
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError("it must be above 0")
    return number


def count(text: str) -> int:
    """Return a whole number from 1 on; raise ArgumentTypeError for any other."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number
