"""CEL, the Common Expression Language, as Kubernetes speaks it: CRD rules, admission policies, match conditions.

    program = compile("object.spec.replicas <= params.max", {"object": DYN, "params": DYN})
    program.type                                        # "bool": what it is known to give
    program.evaluate({"object": {...}, "params": {...}})  # True; plain JSON in, plain JSON out

`compile` raises CompileError, whose text is Kubernetes' (`compilation failed: ERROR: <input>:1:6: ...`). `evaluate`
raises EvaluationError (`no such key: x`) and CostExceeded, a kind of it. Both are cheap to repeat: programs are cached.

Parsing, type checking and evaluating are cel-cpp's (the package cel-expr-python, by CEL's own authors), so texts of
syntax and type errors are the real ones. An expression is compiled twice: against the declared types, for errors and
the type of its result, and without types, for evaluation on plain JSON, where reading an absent key is an error and
numbers compare across types. Kubernetes' own functions (quantity, ip, cidr, url, semver, find, lists) are in `library`.

Transition rules declare `oldSelf` beside `self`. `optional_of(type)` declares a variable that may be absent: give
None, or leave it out. `constructs=True` allows `Object{spec: Object.spec{replicas: 1}}` and `JSONPatch{op: "add", ...}`
of MutatingAdmissionPolicies; they evaluate to plain dicts.

Nothing here can hang: loops share one budget of 10,000 iterations for an evaluation (cel-cpp's own), regular
expressions are RE2, and `growth` refuses expressions that multiply text. Not here: macros of two variables and
format.named().
"""

from kube_actors.api.cel.errors import CompileError, CostExceeded, EvaluationError
from kube_actors.api.cel.program import Program, compile
from kube_actors.api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    map_of,
    object_of,
    optional_of,
)

__all__ = [
    "compile", "Program", "CompileError", "EvaluationError", "CostExceeded",
    "Type", "BOOL", "BYTES", "DOUBLE", "DURATION", "DYN", "INT", "STRING", "TIMESTAMP",
    "list_of", "map_of", "object_of", "optional_of",
]  # fmt: skip
