"""Who answers when asked, and which of the given answers customers choose."""
