"""The functions that Kubernetes adds to CEL, as declarations: one file a library, one table a file.

Values of Kubernetes' own types (quantities, addresses, URLs, versions) are opaque to the checker and, while an
expression is evaluated, plain maps with a key that names the type, since that is what cel-cpp passes between Python
functions. Source of the rules: k8s.io/apiserver/pkg/cel/library.
"""

from kube_actors.api.cel.library import (
    authorizer,
    json_patches,
    lists,
    net,
    numbers,
    quantities,
    regexes,
    semvers,
    sets,
    urls,
)
from kube_actors.api.cel.library.functions import Function

FUNCTIONS: tuple[Function, ...] = (
    *authorizer.FUNCTIONS,
    *json_patches.FUNCTIONS,
    *lists.FUNCTIONS,
    *net.FUNCTIONS,
    *quantities.FUNCTIONS,
    *regexes.FUNCTIONS,
    *semvers.FUNCTIONS,
    *sets.FUNCTIONS,
    *urls.FUNCTIONS,
)

DECLARED_ONLY = numbers.DECLARED_ONLY
"""Overloads that the checker has to know, and the evaluation has."""
