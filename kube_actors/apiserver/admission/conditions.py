"""matchConditions: CEL expressions that have to hold before a webhook or a policy is asked.

Kubernetes: k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kube_actors.api import Obj, cel
from kube_actors.apiserver.admission import expressions
from kube_actors.apiserver.admission.expressions import Asker


class ConditionsFailed(Exception):
    """An expression gives no answer, and failures are not ignored."""


class Conditions:
    """Those of one webhook or policy; none hold always."""

    def __init__(self, conditions: Iterable[Obj], *, ignores_failure: bool) -> None:
        self._programs = [_compiled(one.get("expression", "")) for one in conditions]
        self._ignores_failure = ignores_failure

    def __bool__(self) -> bool:
        return bool(self._programs)

    def hold(self, variables: Mapping[str, Any], asker: Asker) -> bool:
        """Whether all hold: one that does not is enough for a no, whatever fails. Raises ConditionsFailed."""
        faults = []
        for program in self._programs:
            if isinstance(program, cel.CompileError):
                faults.append(str(program))
                continue
            try:
                if expressions.evaluate(program, variables, asker) is False:
                    return False
            except cel.EvaluationError as error:
                faults.append(f"expression '{program.expression}' resulted in error: {error}")
        if not faults:
            return True
        if self._ignores_failure:
            return False
        raise ConditionsFailed(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


def _compiled(expression: str) -> cel.Program | cel.CompileError:
    try:
        return expressions.compile_expression(expression)
    except cel.CompileError as error:
        return error
