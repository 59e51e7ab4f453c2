"""Rules on recurrent state: it stays float from step to step, and the step does use it."""

from __future__ import annotations

from collections.abc import Iterator

from crystaledge.tensors import StatePair
from crystaledge_calibration.lint.findings import Finding, Rule
from crystaledge_calibration.lint.graph_view import Node
from crystaledge_calibration.lint.quantizers import QUANTIZING_OPS, Kind
from crystaledge_calibration.lint.subject import CARRYING_OPS, MOVING_OPS, Subject, error, warning

_LOST = "Export the step with the state as an input and the next state as an output."


def check_used(subject: Subject) -> Iterator[Finding]:
    """Each state input has a part in the outputs."""
    view = subject.view
    next_states = {pair.output for pair in subject.graph.states}
    for pair in subject.graph.states:
        reached = set(view.reach(pair.input))
        if not view.readers(pair.input):
            yield error(Rule.STATE_UNUSED, pair.input, "No node reads this state; the recurrence is lost.", cure=_LOST)
        elif not reached & set(view.outputs):
            message = "This state is read, but no output depends on it; the recurrence is lost."
            yield error(Rule.STATE_UNUSED, pair.input, message, cure=_LOST)
        elif not reached & next_states:
            message = "No next state depends on this state: it is forgotten after one step."
            yield warning(Rule.STATE_UNUSED, pair.input, message, cure=_LOST)


def check_not_copied(subject: Subject) -> Iterator[Finding]:
    """The next state is computed, not the same state again."""
    for pair in subject.graph.states:
        passing = MOVING_OPS | QUANTIZING_OPS
        if pair.input != pair.output and subject.view.origin(pair.output, through=passing) == pair.input:
            message = f"This state is {pair.input!r} unchanged; nothing is ever learnt from a frame."
            yield error(Rule.STATE_COPIED, pair.output, message, cure=_LOST)


def check_output_float(subject: Subject) -> Iterator[Finding]:
    """No Q/DQ on the next state: eight bits lost at every step add up."""
    for pair in subject.graph.states:
        maker = subject.view.maker(pair.output, through=MOVING_OPS)
        if maker is not None and maker.op_type in QUANTIZING_OPS:
            message = f"{maker.op_type} {maker.label!r} makes this state; it loses precision at every step."
            cure = "Let the float tensor leave the graph, and put Q/DQ only where a Gemm or MatMul reads it."
            yield error(Rule.STATE_OUTPUT, pair.output, message, cure=cure)


def check_carried_float(subject: Subject) -> Iterator[Finding]:
    """On the way from state to next state by sums and products there is no Q/DQ either."""
    for pair in subject.graph.states:
        for quantize, reader in _quantized_carries(subject, pair):
            message = (
                f"It quantizes the state {pair.input!r} where {reader.op_type} {reader.label!r} "
                "carries it to the next step."
            )
            cure = "Quantize the state only where a Gemm or MatMul reads it; let sums and products read the float."
            yield error(Rule.STATE_CARRIED, quantize.label, message, cure=cure)


def _quantized_carries(subject: Subject, pair: StatePair) -> Iterator[tuple[Node, Node]]:
    """Q nodes on a carried state, each with the first node that carries on what its DQ gives."""
    view = subject.view
    to_next = view.ancestors(pair.output)
    carried = set(view.reach(pair.input, through=CARRYING_OPS))
    for q in subject.quantizers:
        if q.kind is Kind.QUANTIZE and q.node.input(0) in carried:
            reader = next((n for n in _readers_of_dequantized(subject, q.node) if n in to_next), None)
            if reader is not None:
                yield q.node, reader


def _readers_of_dequantized(subject: Subject, quantize: Node) -> Iterator[Node]:
    """Sums and products that read what a Q/DQ pair gives, as it is or moved."""
    view = subject.view
    for dequantize in view.readers(quantize.output):
        if dequantize.op_type == Kind.DEQUANTIZE.value:
            for name in view.reach(dequantize.output, through=MOVING_OPS):
                yield from (n for n in view.readers(name) if n.op_type in CARRYING_OPS - MOVING_OPS)
