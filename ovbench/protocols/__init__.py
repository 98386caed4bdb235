"""Named, versioned ways to score."""

from ovbench.protocols.loader import load_protocol, protocol_ids
from ovbench.protocols.schema import Card, Protocol
from ovbench.protocols.signature import signature, with_field

__all__ = ["Card", "Protocol", "load_protocol", "protocol_ids", "signature", "with_field"]
