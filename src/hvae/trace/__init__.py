"""What a walk leaves behind: a record of each variable, and a trace of all, where nats are counted."""

from hvae.trace.record import Record, summed
from hvae.trace.trace import Trace

__all__ = ["Record", "Trace", "summed"]
