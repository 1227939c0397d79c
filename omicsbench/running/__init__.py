"""From a request to records: planning, workers and what watches over them, the clock."""
