"""What a CustomResourceDefinition means, as pure functions.

    definition    a CRD object -> the resources that it makes the server serve, each with its `ServedVersion`
    structural    the schema of a version, as a tree that everything below walks
    decoding      body -> object: metadata coerced, unknown fields pruned, as `api.decode` does for built-in kinds
    defaulting    the schema's defaults, on create and on read
    checks        everything that is checked of an object: values, formats, list types, embedded objects, rules
    columns       additionalPrinterColumns as Table cells, by JSONPath
    naming        which names a CRD gets, and its conditions

Whether a CRD itself is valid is `api.validation.crd`; serving, storing and deleting are the API server's.
Kubernetes: k8s.io/apiextensions-apiserver. Not here: conversion by webhook, which needs IO.
"""
