"""Who the customers are: groups, segments and personas; where they stand, and the help that they need."""
