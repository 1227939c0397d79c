"""What may become part of a leaderboard, and whether it keeps its word."""
