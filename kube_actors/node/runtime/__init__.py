"""Container runtimes behind one small interface (`interface.py`): docker, process, simulated."""
