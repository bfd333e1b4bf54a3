"""What a Kubernetes object is: resources, metadata, schema, defaults, validation, patches, selectors.

Pure functions over plain `dict` objects as JSON gives them; no IO, no clock, no randomness that is not
passed in. Everything above this layer, server and client alike, shares these rules.
"""

from typing import Any

# A Kubernetes object as JSON has it. A TypedDict for each of 100 kinds would be a second schema.
Obj = dict[str, Any]
