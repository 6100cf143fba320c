"""What messages to people are made of: things in few words, calls and names that were meant."""
