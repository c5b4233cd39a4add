"""How customers move between touchpoints: graph, matrix, whole paths."""
