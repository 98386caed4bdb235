"""From aligned files to an evaluation: one way per family of metrics.

A family is imported when it is asked for: a score starts sooner without the others.
"""

from __future__ import annotations

from ovbench.protocols import Protocol
from ovbench.protocols.schema import ClosedSetProtocol, SentimentProtocol, SynonymGroupsProtocol
from ovbench.scoring.evaluation import Evaluation
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared


def evaluate(prepared: Prepared, protocol: Protocol, options: Options) -> Evaluation:
    """One system's items as sufficient statistics, by the protocol's metric."""
    if isinstance(protocol, SentimentProtocol | ClosedSetProtocol):
        from ovbench.scoring import classes

        if isinstance(protocol, SentimentProtocol):
            found = classes.evaluate_sentiment(prepared, protocol)
        else:
            found = classes.evaluate_closed_set(prepared, protocol, options)
    elif isinstance(protocol, SynonymGroupsProtocol):
        from ovbench.scoring.synonym_sets import evaluate_groups

        found = evaluate_groups(prepared, protocol, options)
    else:
        from ovbench.scoring.wheels import evaluate_wheels

        found = evaluate_wheels(prepared, protocol, options)
    return found.with_handling(options)
