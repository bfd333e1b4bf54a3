"""Admission webhooks: MutatingAdmissionWebhook and ValidatingAdmissionWebhook.

    configurations -> Hooks (compiled when they change) -> those whose rules, selectors and conditions take the request
    -> review (AdmissionReview v1, v1beta1) -> client -> answer: allowed, patch, warnings, audit annotations

Kubernetes: k8s.io/apiserver/pkg/admission/plugin/webhook. Where nothing is configured, a request costs one comparison.
"""
