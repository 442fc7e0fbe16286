"""REST, live page and history writer."""
