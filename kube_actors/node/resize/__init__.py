"""Resources of containers that run: what is asked, what the node grants, what is in force."""
