"""CertificateSigningRequests: approved where a node asks for itself, signed where approved, removed when done.

    recognize.py  what a request is for, and whether it is what its signer gives (pure)
    issue.py      the certificate (pure but for the random serial number)
    approver.py, signer.py, cleaner.py   one controller each

Kubernetes: pkg/controller/certificates.
"""
