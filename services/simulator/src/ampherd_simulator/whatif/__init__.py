"""What would a policy do with a day? The real cores live through it in virtual time, and a report tells."""
