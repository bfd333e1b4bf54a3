"""What happens to a pod on the node: who has it, what is next for it, and who does it."""
