"""The plugins, one file each, with Kubernetes' names, reasons and scores. `registry.py` lists them in order."""
