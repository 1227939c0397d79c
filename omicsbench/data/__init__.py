"""Tasks and their data: sources, folds, protocols, what is pinned, what is wrong with them."""
