"""Encryption at rest: what the store keeps of some resources can be read with the cluster's key alone.

    Operations, Cache -> EncryptedStorage -> store client
                              | transform.py: k8s:enc:aesgcm:v1:NAME: nonce, ciphertext

The form is kube-apiserver's aesgcm provider, so that either reads what the other wrote. The first key writes, every
key reads; the store's key of a value is authenticated with it, so that values cannot be exchanged. `rewriting.py`
writes anew what another key wrote, after every start. A backup of the store is encrypted as the store is.

What it deliberately does not do: key management services; whoever can read the key files can read all.
"""
