"""What a container and its sandbox are made from: environment, addresses, resources, security."""
