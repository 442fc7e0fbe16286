"""The language Ampherd's services share: words, messages, policy, and the ports to bus, store and history."""
