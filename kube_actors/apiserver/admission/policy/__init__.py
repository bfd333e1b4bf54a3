"""Policies written in CEL: ValidatingAdmissionPolicy and MutatingAdmissionPolicy, with their bindings.

    policies, bindings -> Policies (compiled when they change) -> a policy whose constraints take the request
    -> its bindings that take it -> their params -> one evaluation for each param -> denials, warnings, changes

Kubernetes: k8s.io/apiserver/pkg/admission/plugin/policy. Where there is no policy, a request costs one comparison.
Not here: the warnings of type checking in a policy's status.
"""
