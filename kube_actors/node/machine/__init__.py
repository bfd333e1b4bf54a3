"""What the node is and has, and how the API hears of it."""
