"""What `watch` counts, what it expects, and how it folds what is unusual into incidents."""
