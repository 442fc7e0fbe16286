"""Other people's rules, each written from its description, to be measured side by side with ours."""
