"""Weights of an evaluation as those of a run, for commands that look at them or copy them."""

from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.layout import MANIFEST
from pasd_batch.evaluation.protocols import protocol_of


def run_with_weights_of(settings: EvaluationSettings) -> RunSettings:
    """A run that needs the weights of all variants and metrics, those of sets among them; it cannot be run.

    Raises:
        EvaluationError: the variants have models of their own, of which a run has one, or the metrics are not known.
    """
    protocol = protocol_of(settings)
    first, *others = settings.all_variants
    models = [each.model for each in first.restoration.in_order]
    if other := [one.name for one in others if [each.model for each in one.restoration.in_order] != models]:
        raise EvaluationError(
            f"variants {first.name} and {', '.join(other)} have models of their own, of which one at a time is looked "
            "at; leave the variants of one in a copy of the configuration"
        )
    return RunSettings.parse(
        {
            "manifest": {"path": MANIFEST},
            "output": {"root": settings.output},
            "storage": settings.storage,
            "restoration": first.restoration,
            "metrics": {
                **settings.metrics.model_dump(),
                "no_reference": (*protocol.no_reference, *protocol.of_sets),
                "full_reference": protocol.full_reference,
            },
        },
        source="evaluation",
    )
