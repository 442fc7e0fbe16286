"""A house, cars and wallboxes that speak the real protocols."""
