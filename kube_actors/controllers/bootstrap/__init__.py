"""Tokens for joining, on the controllers' side: they sign who the cluster is, and end in time.

    tokens.py   what a token's Secret says (pure)
    signer.py   the ConfigMap kube-public/cluster-info carries a signature by every token
    cleaner.py  a token that has expired is deleted

Kubernetes: pkg/controller/bootstrap.
"""
